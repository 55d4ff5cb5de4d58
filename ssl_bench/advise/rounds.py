"""Which cells of a study come next, while the time lasts: what is compared with, then methods, then further folds.

Work goes on in rounds of a few folds, each of which ends in an answer that is surer than the one before. Features of a
frozen encoder are not kept between steps: crops differ from step to step, and the encoder's pass is a quarter of one.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ssl_bench.advise.folds import Fold
from ssl_bench.advise.study import Study
from ssl_bench.plan.cell import Cell

FOLDS = 3
"""Folds of a round: as many as an interval needs at least."""
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
    prices: dict[str, float] = field(default_factory=dict)
    """Expected seconds of a run of those of them that have not run here."""
    tried: set[str] = field(default_factory=set)
    """Ids of the cells that were run: one that failed is not tried again."""

    def first(self) -> None:
        """Run what learns from labels alone, and the controls, on the first folds: there is no answer without.

        The first baseline and the controls then take part in all that follows, and the others as time allows.
        """
        roles = {cell.row: cell.describe["method"]["role"] for cell in self.study.plan.cells}
        compared = [row for row, role in roles.items() if role in ("baseline", "control")]
        self._run([self.study.cell(row, fold) for fold in self.study.folds[:FOLDS] for row in compared])
        self.rows = [row for row in compared if row == self.study.baseline or roles[row] == "control"]

    def join(self, prices: Mapping[str, float]) -> None:
        """Let the methods take part that the time is enough for, the cheapest first, and what they have to be above.

        Their first repeat may take a share of what those before them leave, so that further ones find some, too; the
        cheapest may take the whole. Where there is time for none, the first few folds are enough.

        `prices`: expected seconds of a run of each that has not run yet.
        """
        evidence = self.study.evidence()
        have_run = {one.row for one in evidence.scored}
        self.rows = [row for row in self.study.rows if row in {*self.rows, evidence.reference.row}]
        self.prices |= {row: price for row, price in prices.items() if row in self.rows}
        seconds = {**prices, **self._seconds()}
        others = sorted((row for row in seconds if row not in self.rows), key=lambda row: seconds[row])
        fitting = self._fitting(others, self._repeat(0), seconds)
        if not {*self.rows, *fitting} - have_run:  # A few folds of a method are more of an answer than none.
            new = [row for row in others if row not in have_run]
            fitting += self._fitting(new, self.study.folds[:FOLDS], seconds)
        self.prices |= {row: seconds[row] for row in fitting}
        self.left_out |= {row: seconds[row] for row in others if row not in {*fitting, *have_run}}
        self.rows = [row for row in self.study.rows if row in {*self.rows, *fitting}]

    def _fitting(self, rows: Sequence[str], folds: Sequence[Fold], seconds: Mapping[str, float]) -> list[str]:
        """Those of some methods, the cheapest first, for which there is time on some folds beside who takes part."""
        left = self.left - sum(self._price(row, folds, seconds) for row in self.rows)
        taken, found = 0.0, []
        for place, row in enumerate(rows):
            own = self._price(row, folds, seconds)
            taken += own
            if not own or taken <= left * (FIRST if place else 1.0):
                found.append(row)
        return found

    def join_all(self, rows: Sequence[str]) -> None:
        """Let methods take part that somebody asked for."""
        self.rows = [row for row in self.study.rows if row in {*self.rows, *rows}]

    def go_on(self) -> bool:
        """Run the next folds that fit into the time, a few of one repeat; False where none does or none is left.

        The first few are run in any case. Methods that are behind after a repeat are not run in the next.
        """
        rows, folds = self.next()
        if not folds:
            return False
        if folds[0] in self.study.folds[:FOLDS]:
            folds = [fold for fold in folds if fold in self.study.folds[:FOLDS]]
            self._run(self.study.cells(rows, folds))
            return True
        seconds = self._fold_seconds(rows) / self.slots
        fitting = FOLDS if seconds == 0 else int(self.left / seconds)
        if fitting < 1:
            return False
        self._run(self.study.cells(rows, folds[: min(fitting, FOLDS)]))
        return True

    def next(self) -> tuple[list[str], list[Fold]]:
        """What more time would be for: the methods, and the folds of one repeat on which they have not all run."""
        for repeat in sorted({fold.repeat for fold in self.study.folds}):
            rows = self._contenders() if repeat else self.rows
            if folds := [fold for fold in self._repeat(repeat) if self._left(self.study.cells(rows, [fold]))]:
                return rows, folds
        return [], []

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
        """Mean seconds of a run of each method that has run here, and the price of others that take part."""
        ran = {one.row: one.cost for one in self.study.evidence().scored if one.cost is not None}
        return {**self.prices, **ran}

    def _fold_seconds(self, rows: Sequence[str] | None = None) -> float:
        """Seconds that one fold takes of methods, those on fewer labels included, one cell at a time."""
        found = self._seconds()
        fewer = (len(self.study.counts) - 1) * found.get(self.study.baseline, 0.0)
        return fewer + sum(found.get(row, 0.0) for row in (self.rows if rows is None else rows))

    def _price(self, row: str, folds: Sequence[Fold], seconds: Mapping[str, float]) -> float:
        """Seconds that what is left of a method on some folds is expected to take."""
        return seconds.get(row, 0.0) * len(self._left(self.study.cells([row], folds))) / self.slots

    def _repeat(self, number: int) -> list[Fold]:
        return [fold for fold in self.study.folds if fold.repeat == number]
