"""A finished cell and its network, rebuilt from the cell's folder.

from ssl_bench import load_trained
trained = load_trained(Path("runs/cells/ID"))
mask = trained.predict(picture)  # (H, W, 3) uint8 RGB of any size, or what the cell was trained on
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ssl_bench.errors import CellError, DataError, UsageError, in_a_line
from ssl_bench.machine.files import read_json, read_regular
from ssl_bench.method import Method
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.registry.files import require_files
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.record import parse_record
from ssl_bench.task import Task
from ssl_bench.train.inference import exact_inference
from ssl_bench.train.merged import merge
from ssl_bench.use.shown_data import NOT_STATED, open_shown_data
from ssl_bench.use.tiles import prediction_bands
from ssl_bench.worker.build import build_method
from ssl_bench.worker.checkpoint import load_weights

CPU = torch.device("cpu")
TYPES = frozenset(map(np.dtype, ("uint8", "uint16", "float16", "float32", "float64")))
"""Of images: integers in the full range of their type, floats in [0, 1]."""


@dataclass(frozen=True)
class Trained:
    """A cell at its final weights, in evaluation mode."""

    folder: Path
    order: Order
    method: Method
    device: torch.device
    registry: Registry
    weights_sha256: str
    """Of the file of its weights: a cell that is run again may have others."""

    @property
    def cell(self) -> Cell:
        """The cell whose network it is."""
        return self.order.cell

    @property
    def task(self) -> Task:
        """The task, with the class names that the network was trained for."""
        return self.method.task

    @exact_inference()
    def activations(self, images: Tensor) -> Tensor:
        """T(x) of images (B, C, H, W) in [0, 1], as evaluation takes it: (B, O, H, W) float32."""
        return self.task.activate(self.method.predict(images.to(self.device)))

    def bands(self, image: np.ndarray) -> Iterator[Tensor]:
        """T(x) of an image, as `predict` takes it, in bands of whole rows from the top; one band where it is small.

        Each is (1, O, rows, W), and to be used before the next is asked for. Raises UsageError for what is no such
        image, CellError where a band is not finite.
        """
        image = self._checked(image)
        stride = getattr(self.method.deployed, "stride", 1)
        for band in prediction_bands(self.activations, image, stride, self.device):
            if not band.isfinite().all():
                raise CellError(f"the prediction of cell {self.cell.id} is not finite; train it again")
            yield band

    def predict(self, image: np.ndarray) -> np.ndarray:
        """The label of an image, as the task stores it (`Task.stored`).

        `image`: (H, W, C), or (H, W) where the network takes one channel; uint8 or uint16 from black to white, or
        floats in [0, 1]. Raises UsageError for anything else.
        """
        return np.concatenate([self.task.stored(band) for band in self.bands(image)])

    def _checked(self, image: np.ndarray) -> np.ndarray:
        """An image as (H, W, C), of a type and in a range that say what is black and what is white."""
        count = self.task.in_channels
        if not isinstance(image, np.ndarray):
            fault = f"a {type(image).__name__}"
        elif image.shape[2:] != (count,) and (image.ndim, count) != (2, 1):
            fault = f"of shape {image.shape}"
        elif not image.size:
            fault = f"empty, of shape {image.shape}"
        elif image.dtype not in TYPES:
            fault = f"of {image.dtype}"
        # A NaN loses every comparison.
        elif image.dtype.kind == "f" and not (image.min() >= 0 and image.max() <= 1):
            fault = f"of {image.dtype} from {image.min():g} to {image.max():g}"
        else:
            return image.reshape(*image.shape[:2], count)
        raise UsageError(
            f"the image is {fault}; to cell {self.cell.id} give an array (H, W, {count}) of uint8 or uint16, black to "
            "white, or of floats in [0, 1]"
        )


def load_trained(
    folder: Path,
    registry: Registry | None = None,
    device: torch.device = CPU,
    *,
    data: Mapping[str, Path] = NOT_STATED,
) -> Trained:
    """The finished cell in a folder. Raises DataError where its files are not whole or do not fit the plugins.

    `data`: as `open_shown_data`, for cells of versions that did not keep the names of their classes.
    """
    registry = registry or load_registry()
    files = CellFolder(folder)
    content, record = read_json(files.order), None
    with contextlib.suppress(OSError, DataError):
        record = parse_record(files.record)  # Whoever keeps a cell may have named its folder anew.
    sha256 = record.provenance.weights_sha256 if record else None
    weights = load_weights(files.weights, sha256)
    if content is None or weights is None:
        raise DataError(
            f"{folder} has no readable {files.order.name} and {files.weights.name} as its record has them; run the "
            "cell again with --no-resume"
        )
    order = files.read_order()
    cell = order.cell
    require_files(order.plugins, order.helpers, registry.files.values(), folder)
    # The data may be gone; cells that do not hold their classes are older than that.
    classes = cell.classes
    if "classes" not in content:
        classes = open_shown_data(order, registry, data).classes
    try:
        method = build_method(cell, registry, classes)
    except Exception as error:  # Whoever wrote the cell may have asked for anything.
        raise DataError(
            f"{files.order}: what it names cannot be built ({in_a_line(error)}); install what it was trained with, or "
            "run the cell again"
        ) from error
    try:
        method.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(
            f"{files.weights} does not fit method '{cell.method}' and backbone '{cell.backbone}' as they "
            "are installed now; run the cell again with --no-resume"
        ) from error
    merge(method)
    # Records of earlier versions do not state it.
    sha256 = sha256 or hashlib.sha256(read_regular(files.weights)).hexdigest()
    return Trained(folder, order, method.to(device).eval(), device, registry, sha256)
