"""A cell that does not fit in memory goes on with smaller micro-batches, from where it was last saved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssl_bench.errors import CellError
from ssl_bench.machine.files import read_json, write_json
from ssl_bench.plan.cell import Cell
from ssl_bench.specs import MethodConfig, MethodSpec
from ssl_bench.store.folder import CellFolder


class TakeLess(Exception):
    """The cell is to go on from where it was saved, in a state that nothing of the failed step is left in."""


class MicroBatches:
    """Into how many parts a process takes its rows: what was asked for, or more since memory ran out.

    Kept in the cell's folder, so that all processes know, and whoever resumes the cell.
    """

    def __init__(
        self,
        folder: Path,
        cell: Cell,
        method: MethodSpec,
        config: MethodConfig,
        serves: Callable[[int], bool],
    ) -> None:
        """`serves`: whether the cell's networks can be trained on the rows of a part, with so many parts."""
        self.asked = cell.execution.micro_batches
        self._file = CellFolder(folder).memory
        self._cell, self._serves = cell, serves
        possible = cell.training.possible_parts(method.uses_unlabeled, config.rows_together())
        processes = cell.execution.processes
        self._possible = [parts // processes for parts in possible if parts % processes == 0]
        content = read_json(self._file) or {}
        self.reduced: list[dict[str, int]] = content.get("reduced", [])
        """Steps that did not fit, and the number of micro-batches since then."""

    @property
    def used(self) -> int:
        """The number of micro-batches in use."""
        return self.reduced[-1]["micro_batches"] if self.reduced else self.asked

    def reduce(self, step: int) -> TakeLess:
        """Twice as many from now on, or the next number that divides the rows; raise what it returns.

        CellError where there is none: one row of each kind is too much, or too few for a BatchNorm layer.
        """
        more = [count for count in self._possible if count > self.used and self._serves(count)]
        if not more:
            self.forget()
            crop = self._cell.training.crop
            raise CellError(
                f"step {step} does not fit in memory, not even the fewest rows at a time (micro-batches: {self.used}); "
                f"set {self._cell.task}.crop below {crop}, take a smaller backbone, or free the device"
            )
        count = next((count for count in more if count >= 2 * self.used), more[-1])
        write_json(self._file, {"reduced": [*self.reduced, {"step": step, "micro_batches": count}]})
        return TakeLess(f"step {step} does not fit in memory: going on with micro-batches: {count}")

    def forget(self) -> None:
        """Remove what was kept: the cell has ended."""
        self._file.unlink(missing_ok=True)

    def provenance(self) -> dict[str, Any]:
        """For a record; nothing where all went as asked."""
        if not self.reduced:
            return {}
        return {"micro_batches": {"asked": self.asked, "used": self.used, "reduced": self.reduced}}
