"""Which cells of a study come next, while the time lasts: baselines first, then methods, then further repeats."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ssl_bench.advise.folds import Fold
from ssl_bench.advise.study import Study
from ssl_bench.plan.cell import Cell

FIRST = 0.6
"""Share of the time left that the first repeat of all methods may take."""
LAST = 1.5
"""Times a run of the dearest method: what is kept for the network on all labels and the pictures to label."""


@dataclass
class Rounds:
    """The runs of a study within some time."""

    study: Study
    run: Callable[[Sequence[Cell]], None]
    """Runs cells that have not finished."""
    slots: int
    """Cells at a time."""
    until: float
    """When answers are due, as `time.monotonic` has it."""
    left_out: dict[str, float] = field(default_factory=dict)
    """Methods that do not fit into the time, with the seconds that a run of them takes."""
    rows: list[str] = field(default_factory=list)
    """The methods that take part, in the order of tables."""
    tried: set[str] = field(default_factory=set)
    """Ids of the cells that were run: one that failed is not tried again."""

    def first(self) -> None:
        """Run the first baseline and the controls on the first repeat: what all others are compared with."""
        roles = {cell.row: cell.describe["method"]["role"] for cell in self.study.plan.cells}
        self.rows = [row for row, role in roles.items() if row == self.study.baseline or role == "control"]
        self._run(self.study.cells(self.rows, self._repeat(0)))

    def join(self, prices: Mapping[str, float]) -> None:
        """Let the methods take part that the time is enough for, the cheapest first.

        Their first repeat may take a share of what is left, so that further ones find some, too; the cheapest may take
        the whole. `prices`: expected seconds of a run of each.
        """
        left, taken = self.left, 0.0
        for place, row in enumerate(sorted(prices, key=lambda row: prices[row])):
            cells = self.study.left(self.study.cell(row, fold) for fold in self._repeat(0))
            taken += prices[row] * len(cells) / self.slots
            if not cells or taken <= left * (FIRST if place else 1.0):
                self.rows.append(row)
            else:
                self.left_out[row] = prices[row]
        self.rows.sort(key=self.study.rows.index)

    def join_all(self, rows: Sequence[str]) -> None:
        """Let methods take part that somebody asked for."""
        self.rows = [row for row in self.study.rows if row in {*self.rows, *rows}]

    def go_on(self) -> bool:
        """Run the next folds that fit into the time, within one repeat; False where none does or none is left.

        Methods that are behind after a repeat are not run in the next.
        """
        repeats = {fold.repeat for fold in self.study.folds}
        for repeat in sorted(repeats):
            rows = self._contenders() if repeat else self.rows
            folds = [fold for fold in self._repeat(repeat) if self._left(self.study.cells(rows, [fold]))]
            if not folds:
                continue
            seconds = self._fold_seconds(rows) / self.slots
            fitting = len(folds) if seconds == 0 else int(self.left / seconds)
            # Of the first repeat all is run: there is no answer without.
            count = len(folds) if repeat == 0 else min(fitting, len(folds))
            if count < 1:
                return False
            self._run(self.study.cells(rows, folds[:count]))
            return True
        return False

    @property
    def left(self) -> float:
        """Seconds left, but for the last steps."""
        return self.until - time.monotonic() - LAST * max(self._seconds().values(), default=0.0)

    def _run(self, cells: Sequence[Cell]) -> None:
        if left := self._left(cells):
            self.tried |= {cell.id for cell in left}
            self.run(left)

    def _left(self, cells: Iterable[Cell]) -> list[Cell]:
        """Those that have not finished, and have not failed here."""
        return [cell for cell in self.study.left(cells) if cell.id not in self.tried]

    def _contenders(self) -> list[str]:
        """The methods that may yet be the best, and what all are compared with."""
        evidence = self.study.evidence()
        kept = {
            evidence.reference.row,
            self.study.baseline,
            *([evidence.control.row] if evidence.control else []),
        }
        kept |= {one.row for one in evidence.scored if evidence.in_contention(one)}
        return [row for row in self.rows if row in kept]

    def _seconds(self) -> dict[str, float]:
        """Mean seconds of a run of each method that has run."""
        return {one.row: one.cost for one in self.study.evidence().scored if one.cost is not None}

    def _fold_seconds(self, rows: Sequence[str] | None = None) -> float:
        """Seconds that one fold takes of methods, those on fewer labels included, one cell at a time."""
        found = self._seconds()
        fewer = (len(self.study.counts) - 1) * found.get(self.study.baseline, 0.0)
        return fewer + sum(found.get(row, 0.0) for row in (self.rows if rows is None else rows))

    def _repeat(self, number: int) -> list[Fold]:
        return [fold for fold in self.study.folds if fold.repeat == number]
