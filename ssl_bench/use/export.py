"""A trained network as a file that other programs run: the deployed network with all that surrounds it.

Inside are normalisation, padding to the network's stride and the task's activation, so that a file takes images
(B, C, H, W) float32 in [0, 1] of any size and batch, and gives T(x), (B, O, H, W) float32. A file is left only where
it gives what the cell gives.
"""

import importlib.util
import io
import json
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from ssl_bench import __version__
from ssl_bench.backbone import Statistics, TaskNetwork
from ssl_bench.errors import CellError, DataError, UsageError, first_line, in_a_line
from ssl_bench.machine.files import sweep, temporary_beside, write_json
from ssl_bench.pixels.channels import Channels
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import make_task, resolve
from ssl_bench.task import Task
from ssl_bench.use.trained import Trained

TOLERANCE = 1e-4
"""Largest difference of T(x) between a file and its cell."""
SIZES = ((1, 33, 47), (2, 70, 101), (1, 211, 150))
"""Batch, height and width of the images that a file is tried on; the second also serves to trace."""
KEY = "ssl_bench"
"""Under which TorchScript and safetensors files hold what they say of themselves, as JSON."""

Predict = Callable[[Tensor], Tensor]


class Deployed(nn.Module):
    """Images (B, C, H, W) float32 in [0, 1] to T(x) (B, O, H, W) float32."""

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.network = network
        self._task = task

    def forward(self, images: Tensor) -> Tensor:
        """Images to T(x), what evaluation scores."""
        return self._task.activate(self.network(images))


@dataclass(frozen=True)
class Format:
    """A kind of file: how it is written, how it is run, and which packages that takes."""

    write: Callable[[Deployed, Path, Mapping[str, Any]], None]
    read: Callable[[Path, Registry], Predict]
    packages: tuple[str, ...] = ()


def export(trained: Trained, form: str, path: Path) -> float:
    """Write the deployed network of a cell on the CPU to a file, which is replaced where it exists.

    Returns the largest difference to the cell's own predictions on images of odd sizes. Raises UsageError where a
    package is missing, CellError where the network cannot be written or the file disagrees; nothing is left then.
    """
    wanted = FORMATS[form]
    require_packages(form)
    deployed = Deployed(trained.method.deployed, trained.task).eval()
    about = describe(trained, form)
    sweep(path.parent)
    temporary = temporary_beside(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated, which its users know.
            try:
                wanted.write(deployed, temporary, about)
                difference = _largest_difference(trained, wanted.read(temporary, trained.registry))
            except (OSError, MemoryError):
                raise
            except Exception as error:  # Converters raise whatever they like.
                reason = first_line(error) or type(error).__name__
                raise CellError(f"{trained.cell.id} cannot be exported as {form}: {reason}") from error
        if not difference <= TOLERANCE:
            raise CellError(
                f"{path} is not written: as {form} the network's predictions differ by {difference:.2g} from "
                f"those of {trained.cell.id}, more than {TOLERANCE:g}"
            )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if form == "weights":
        write_json(path.with_name(f"{path.name}.json"), about)
    return difference


def require_packages(form: str) -> None:
    """Raise UsageError unless the packages that a format needs are installed."""
    missing = [name for name in FORMATS[form].packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"--format {form} needs {', '.join(missing)}; install with `pip install 'ssl-bench[export]'`"
        )


def describe(trained: Trained, form: str) -> dict[str, Any]:
    """What a file says of itself: where it comes from, what goes in and what comes out."""
    task, cell = trained.task, trained.cell
    about: dict[str, Any] = {
        "ssl_bench": __version__,
        "cell": cell.id,
        "task": cell.task,
        "classes": list(task.classes),
        "input": f"images: float32 (batch, {task.in_channels}, height, width) in [0, 1], {_words(task)}, of any size",
        "output": f"prediction: float32 (batch, {task.out_channels}, height, width), "
        + (
            "probabilities of the classes; the class is the argmax over axis 1"
            if task.kind == "classification"
            else "an image in [0, 1]; clip it before storing"
        ),
    }
    if form == "weights":
        network = trained.method.deployed
        if not isinstance(network, TaskNetwork):
            raise CellError(
                f"{cell.id} cannot be exported as weights: it deploys more than a backbone's network; "
                "export it as onnx or torchscript"
            )
        about["network"] = {
            "backbone": cell.backbone,
            "in_channels": task.in_channels,
            **({} if task.input.are_rgb else {"channels": task.input.to_json()}),
            "out_channels": task.out_channels,
            "residual": task.residual,
            "stride": network.stride,
            "mean": network.mean.flatten().tolist(),
            "std": network.std.flatten().tolist(),
        }
        about["rebuild"] = (
            "ssl_bench.use.export.load_weights(path); or by hand: build the backbone, load the tensors without the "
            "prefix 'network.', take (images - mean) / std, repeat the last row and column until height and width "
            "are multiples of stride, run, crop, add the images where residual, activate as the task does"
        )
    return about


def _words(task: Task) -> str:
    """What the channels are, and which numbers of a file are 0 and 1."""
    return "RGB" if task.input.are_rgb else f"{task.input}"


def load_weights(path: Path, registry: Registry | None = None) -> Deployed:
    """The network in a file of format `weights`, on the CPU in evaluation mode. DataError where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    registry = registry or load_registry()
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()[KEY])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(
            f"{path} is no file of `ssl-bench export --format weights`; export it again"
        ) from error
    try:
        return _rebuilt(about, weights, registry)
    except Exception as error:  # A file can state anything of its network.
        raise DataError(
            f"{path}: its network cannot be built ({in_a_line(error)}); export it again"
        ) from error


def _rebuilt(about: Mapping[str, Any], weights: Mapping[str, Tensor], registry: Registry) -> Deployed:
    """The network that a file describes, with its weights."""
    stated = about["network"]
    channels = Channels.from_json(stated.get("channels", {}))
    task = make_task(registry.task(about["task"]), tuple(about["classes"]), channels)
    build = resolve(registry.backbone(stated["backbone"]).backbone)
    bare = build(stated["backbone"], stated["in_channels"], stated["out_channels"])
    # By the file's own statistics, whatever the encoder's are taken to be today.
    bare.statistics = Statistics(tuple(stated["mean"]), tuple(stated["std"]))
    network = TaskNetwork(bare, in_channels=stated["in_channels"], residual=stated["residual"])
    network.load_state_dict(weights)
    return Deployed(network, task).eval()


@torch.inference_mode()
def _largest_difference(trained: Trained, predict: Predict) -> float:
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for batch, height, width in SIZES:
        images = torch.rand(batch, trained.task.in_channels, height, width, generator=generator)
        expected, found = trained.activations(images), predict(images)
        if found.shape != expected.shape:
            return float("inf")
        # A NaN would lose every comparison, and pass.
        largest = max(largest, (found - expected).abs().nan_to_num(nan=float("inf")).max().item())
    return largest


def _example(deployed: Deployed) -> Tensor:
    batch, height, width = SIZES[1]
    return torch.zeros(batch, deployed._task.in_channels, height, width)


@torch.no_grad()
def _write_onnx(deployed: Deployed, path: Path, about: Mapping[str, Any]) -> None:
    from onnxscript import ir

    program = torch.onnx.export(
        deployed,
        (_example(deployed),),
        dynamo=True,
        verbose=False,
        input_names=["images"],
        output_names=["prediction"],
        dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
    )
    assert program is not None
    (output,) = program.model.graph.outputs
    # Else a formula of padding and cropping, which comes to this.
    output.shape = ir.Shape(["batch", deployed._task.out_channels, "height", "width"])
    for key, value in about.items():
        program.model.metadata_props[key] = value if isinstance(value, str) else json.dumps(value)
    _forget_places(program.model)
    program.save(path, external_data=False)


def _forget_places(model: Any) -> None:
    """Take away from which lines of which files of this machine each node comes."""
    from onnxscript import ir

    for graph in (model.graph, *model.functions.values()):
        for node in ir.traversal.RecursiveGraphIterator(graph):
            node.metadata_props.clear()
            node.doc_string = None


def _without_places(written: IO[bytes]) -> bytes:
    """A TorchScript file without what it holds for debugging: the places of our sources on this machine."""
    kept = io.BytesIO()
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as target:
        for entry in source.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                target.writestr(zipfile.ZipInfo(entry.filename), source.read(entry))
    return kept.getvalue()


def _read_onnx(path: Path, registry: Registry) -> Predict:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


@torch.no_grad()
def _write_torchscript(deployed: Deployed, path: Path, about: Mapping[str, Any]) -> None:
    traced = torch.jit.trace(deployed, _example(deployed), check_trace=False)
    # In memory first: torch's own writer ends the whole process where a disk is full.
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer, _extra_files={KEY: json.dumps(about)})
    path.write_bytes(_without_places(buffer))


def _write_weights(deployed: Deployed, path: Path, about: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    weights = {name: value.contiguous() for name, value in deployed.network.state_dict().items()}
    path.write_bytes(save(weights, metadata={KEY: json.dumps(about)}))


FORMATS: Mapping[str, Format] = {
    "onnx": Format(_write_onnx, _read_onnx, ("onnx", "onnxscript", "onnxruntime")),
    "torchscript": Format(_write_torchscript, lambda path, registry: torch.jit.load(path)),
    "weights": Format(_write_weights, load_weights),
}
