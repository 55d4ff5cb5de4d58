"""The cells that an answer rests on: methods on folds, the baseline on fewer labels, and one on all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ssl_bench.advise.evidence import Entrant, Evidence, Scores
from ssl_bench.advise.folds import Fold
from ssl_bench.data.splits import LabelSplit, split_of
from ssl_bench.dataset import Dataset
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plan.request import Request
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import Metric
from ssl_bench.store.record import Record
from ssl_bench.store.results import ResultStore


@dataclass(frozen=True)
class Study:
    """One task's data in folds, with every cell that may be run on them, planned and checked at once."""

    plan: Plan
    folds: tuple[Fold, ...]
    counts: tuple[int, ...]
    """Labels that the baseline learns from, ascending; the last is what every method has."""
    metric: Metric
    """The one that ranks."""
    store: ResultStore
    device: str = ""
    """Name of the device that cells run on: what a run takes is asked of those on such a one. Empty: of all."""

    @classmethod
    def of(
        cls,
        registry: Registry,
        request: Request,
        folds: Sequence[Fold],
        fewer: Sequence[int],
        store: ResultStore,
        device: str = "",
    ) -> "Study":
        """Plan every method of a request on every fold. `fewer`: counts of labels besides all that a fold leaves.

        Raises what `make_plan` raises.
        """
        most = min(len(fold.learnt) for fold in folds)
        counts = (*sorted({count for count in fewer if 0 < count < most}), most)

        def splits(task: str, dataset: Dataset) -> list[LabelSplit]:
            found = [fold.split(dataset, count) for fold in folds for count in counts]
            return [*found, split_of(dataset, dataset.train, "all")]

        plan = make_plan(registry, request, splits)
        (source,) = plan.sources.values()
        # The same images may be drawn for two repeats, which the plan has once.
        planned = {(order.cell.row, order.cell.split.hash): order for order in plan.orders}
        of_all = [order for order in plan.orders if not order.cell.split.held_out]

        def on(fold: Fold, split: LabelSplit, row: str) -> Order:
            order = planned[row, split.hash]
            # A repeat has a seed of its own, so that folds differ in initial weights and batches as well.
            cell = replace(order.cell, split=split, seed=fold.repeat, trial=f"fold {fold.number + 1}")
            return replace(order, cell=cell)

        orders = [
            on(fold, split, head.cell.row)
            for fold in folds
            for split in (fold.split(source.dataset, count) for count in counts)
            for head in of_all
        ]
        metric = registry.task(of_all[0].cell.task).metrics[0]
        return cls(replace(plan, orders=(*orders, *of_all)), tuple(folds), counts, metric, store, device)

    @property
    def rows(self) -> list[str]:
        """The methods, as the command names them, in the order of tables."""
        return list(dict.fromkeys(cell.row for cell in self.plan.cells))

    @property
    def baseline(self) -> str:
        """The first of those that learn from labels alone: what all others are compared with."""
        return next(cell.row for cell in self.plan.cells if cell.describe["method"]["role"] == "baseline")

    def is_baseline(self, row: str) -> bool:
        """Whether a method learns from labels alone."""
        return bool(self.of_all(row).describe["method"]["role"] == "baseline")

    @cached_property
    def _cells(self) -> dict[tuple[str, int, tuple[str, ...], int], Cell]:
        return {
            (cell.row, cell.seed, cell.split.held_out, len(cell.split.labeled)): cell
            for cell in self.plan.cells
        }

    def cell(self, row: str, fold: Fold, count: int | None = None) -> Cell:
        """The cell of a method on a fold, with so many labels or all that the fold leaves."""
        labeled = self.counts[-1] if count is None else count
        return self._cells[row, fold.repeat, tuple(sorted(fold.tested)), labeled]

    def cells(self, rows: Iterable[str], folds: Iterable[Fold]) -> list[Cell]:
        """Those of some methods on some folds, fold by fold, the baseline's on fewer labels among them."""
        rows = list(rows)
        found = []
        for fold in folds:
            found += [self.cell(row, fold) for row in rows]
            if self.baseline in rows:
                found += [self.cell(self.baseline, fold, count) for count in self.counts[:-1]]
        return found

    def of_all(self, row: str) -> Cell:
        """The cell of a method on all labels, with nothing held out of them."""
        return next(cell for cell in self.plan.cells if cell.row == row and not cell.split.held_out)

    def part(self, cells: Sequence[Cell]) -> Plan:
        """A plan of some of the cells, of whose data everything was read before."""
        orders = {order.cell.id: order for order in self.plan.orders}
        return replace(self.plan, orders=tuple(orders[cell.id] for cell in cells), sources={})

    def left(self, cells: Iterable[Cell]) -> list[Cell]:
        """Those that have not finished."""
        return [cell for cell in cells if not self.store.is_finished(cell)]

    def evidence(self) -> Evidence:
        """What the finished cells show."""
        return Evidence(
            task=self.plan.cells[0].describe["task"]["title"],
            metric=self.metric,
            labels=len(self.of_all(self.baseline).split.labeled),
            unlabeled=len(self.of_all(self.baseline).split.unlabeled),
            learnt=self.counts[-1],
            tested=sum(len(fold.tested) for fold in self.folds) / len(self.folds),
            entrants=tuple(self._entrant(row) for row in self.rows),
            fewer={count: self._scores(self.baseline, count)[0] for count in self.counts[:-1]},
        )

    def _entrant(self, row: str) -> Entrant:
        method = self.of_all(row).describe["method"]
        words = ", ".join(method.get("variant", ()))
        scores, seconds = self._scores(row, self.counts[-1])
        return Entrant(
            row, method["title"] + (f" ({words})" if words else ""), method["role"], scores, tuple(seconds)
        )

    def _scores(self, row: str, count: int) -> tuple[Scores, list[float]]:
        """Score of each fold, and seconds of each that ran on such a device."""
        scores: dict[str, float] = {}
        seconds: list[float] = []
        for fold in self.folds:
            record = self._finished(self.cell(row, fold, count))
            value = None if record is None else record.metrics.get(self.metric.name)
            if record is not None and value is not None:
                scores[fold.name] = float(value)
                if record.cost.seconds is not None and self.device in ("", record.provenance.device):
                    seconds.append(float(record.cost.seconds))
        return scores, seconds

    def _finished(self, cell: Cell) -> Record | None:
        """A record, which never changes and is read once: evidence is asked for after every part of the work."""
        if cell.id not in self._read and (record := self.store.finished(cell)) is not None:
            self._read[cell.id] = record
        return self._read.get(cell.id)

    @cached_property
    def _read(self) -> dict[str, Record]:
        return {}
