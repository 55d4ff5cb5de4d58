"""What is handed out to be run: a cell, and what a run of it needs beside. Torch-free."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ssl_bench.data.splits import LabelSplit
from ssl_bench.dataset import Dataset, listing
from ssl_bench.errors import DataError
from ssl_bench.machine.lock import PATIENCE
from ssl_bench.plan.cell import Cell

SCHEMA = 1
"""Of `cell.json`: raised where an earlier version could not run what a later one writes."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A cell to run, and what no number depends on: where its data lies, who follows it, when it is saved.

    One cell may be ordered in many ways; its record is the same.
    """

    cell: Cell
    path: str | None = None
    """Where the data lies on this machine."""
    unlabeled: tuple[str, ...] = ()
    """Folders of further unlabelled images on this machine."""
    shift: str = ""
    """`WAY:SHARE` of unlabelled images from elsewhere; the cell's `data` and `split` speak for it."""
    tested: int | None = None
    """How many labelled images were asked to be held out for testing."""
    listing: str = ""
    """Hash of the data set's ids, by which a worker sees that a folder has changed."""
    content: str = ""
    """`Dataset.content` of what the cell may read, when it was planned."""
    stamp: str = ""
    """`Dataset.stamp` of the same."""
    weights: str | None = None
    """A local file of the weights that the networks start from; the cell holds its hash."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Name to source of the plugin files that provide parts of it; the cell holds their hashes."""
    helpers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name of such a file to names and sources of the modules beside it that it imports."""
    trackers: tuple[str, ...] = ()
    """Who follows the run."""
    observe: bool = False
    """Whether what is taught is held against the labels of unlabelled images."""
    checkpoint_seconds: float = 15.0
    """Between two checkpoints."""
    checkpoint_steps: int | None = None
    """The same in steps, where that comes first."""
    hang_seconds: float = PATIENCE
    """Without a sign of life, until the cell counts as hung."""
    timed: bool = False
    """Whether a few of its steps are timed, for an estimate, and nothing is learnt."""

    def changed(self, dataset: Dataset) -> bool:
        """Whether a data set is not what the cell was planned on. Opens no target that the cell may not read.

        Files are read only where they look different from outside, as those of a copy on another machine do.
        """
        if self.listing and listing(dataset) != self.listing:
            return True
        if not self.content:  # Of an earlier version, or made in memory.
            return False
        seen = seen_by(self.cell.split, dataset)
        return dataset.stamp(*seen) != self.stamp and dataset.content(*seen) != self.content

    def to_json(self) -> dict[str, Any]:
        """For `cell.json`, the whole input of a worker: fields of the cell and of the order, side by side."""
        beside = asdict(self)
        cell = beside.pop("cell") | {"execution": self.cell.execution.chosen()}
        return {"schema": SCHEMA} | cell | beside

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Order":
        """The order that `to_json` gave. DataError for what is none, or is one of a later version's."""
        content = dict(content)
        form = content.pop("schema", SCHEMA)  # Earlier versions did not state it.
        if form != SCHEMA:
            raise DataError(f"no cell of a form that is known here (schema {form!s:.20}); update ssl-bench")
        of_cell, beside = ({one.name for one in fields(kind)} for kind in (Cell, cls))
        if unknown := content.keys() - of_cell - (beside - {"cell"}):
            raise DataError(f"no cell of this version of ssl-bench: it has '{min(unknown)[:40]}'")
        parts: dict[str, Any] = {name: content[name] for name in content if name in beside}
        parts["cell"] = {name: content[name] for name in content if name in of_cell}
        try:
            order: Order = _checked().validate_python(parts)
        except (ValidationError, RecursionError) as error:
            fault = (
                error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "too deep"}
            )
            where = ".".join(map(str, fault["loc"])).removeprefix("cell.")
            raise DataError(f"no cell of this version of ssl-bench: {where[:80]}: {fault['msg']}") from error
        return order


@cache
def _checked() -> TypeAdapter[Order]:
    return TypeAdapter(Order)


def seen_by(split: LabelSplit, dataset: Dataset) -> tuple[Collection[str], Collection[str]]:
    """Ids of the images that a cell of a split may see, and of those whose targets it may read."""
    scored = split.held_out or tuple(dataset.test)
    readable = dict.fromkeys((*split.labeled, *scored))
    return dict.fromkeys((*readable, *split.unlabeled)), readable
