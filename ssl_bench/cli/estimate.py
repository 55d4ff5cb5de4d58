"""`ssl-bench plan --estimate`: what a plan will take, and how far off that was."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from ssl_bench.cli.progress import progress_bar
from ssl_bench.executor import Executor, Wanted
from ssl_bench.forecast.prices import (
    Price,
    keep_errors,
    keep_prices,
    kept_makespan,
    kept_prices,
    kind_of,
    makespan,
    price_of,
)
from ssl_bench.machine.devices import bf16_of_cpu, processor_name
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Plan
from ssl_bench.registry.registry import Registry
from ssl_bench.run.display import PlainDisplay
from ssl_bench.run.timing import Timed, time_cells
from ssl_bench.store.outcomes import Outcome
from ssl_bench.store.record import Estimate, Progress, Record
from ssl_bench.store.results import ResultStore
from ssl_bench.words import number_of

MISSING = "-"
PAYS = 0.8
"""Share of the time of float32 from which on bf16 is recommended: less may be noise."""


class Advancing(PlainDisplay):
    """Of cells that are timed: how many have been."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        super().__init__()
        self.advance = advance

    def progress(self, running: Sequence[tuple[Cell, Progress]]) -> None:
        """Say nothing of steps that are timed."""

    def ended(self, cell: Cell, outcome: Outcome, record: Record | None, log: Path) -> None:
        """Count it."""
        self.advance(1)


def estimate(
    registry: Registry,
    plan: Plan,
    store: ResultStore,
    start: Callable[[Wanted], Executor],
    *,
    devices: str,
    jobs: int | None,
) -> None:
    """Time each kind of what is left of a plan, keep the prices in the results folder, and show them."""
    orders = [order for order in plan.orders if store.finished(order.cell) is None]
    left = [order.cell for order in orders]
    heads = {kind_of(order.cell): order for order in reversed(orders)}
    names: list[str] = []
    slots = 1

    def time_kinds(title: str, orders: Iterable[Order]) -> Timed:
        kinds = replace(plan, orders=tuple(orders))
        with progress_bar(title, len(kinds.orders), "kinds of cells") as advance:
            return time_cells(registry, kinds, store, start, Advancing(advance), devices=devices, jobs=jobs)

    if heads:
        try:
            timed = time_kinds("timing", heads.values())
        except KeyboardInterrupt:
            click.echo("ssl-bench: interrupted; no price was kept", err=True)
            raise click.exceptions.Exit(130) from None
        slots = min(timed.at_once, len(left))
        found = {kind: timed.estimates.get(order.cell.id) for kind, order in heads.items()}
        lost = {cell.id for cell in left if found[kind_of(cell)] is None}
        keep_prices(store, {}, "", slots, without=lost)
        names = sorted({one.device for one in found.values() if one is not None})
        for device in names:
            ours = {kind: price_of(one.cost) for kind, one in found.items() if one and one.device == device}
            prices = {cell.id: ours[kind_of(cell)] for cell in left if kind_of(cell) in ours}
            keep_prices(store, prices, device, slots)
        for order in heads.values():
            if order.cell.id in timed.faults:
                click.echo(f"no estimate for {order.cell.title}: {timed.faults[order.cell.id]}", err=True)
        click.echo(f"timed on {', '.join(names) or MISSING}")
    _show(plan.cells, store)
    _show_total(left, store, slots)
    if names == [processor_name()]:
        _show_bf16(orders, store, partial(time_kinds, "timing in bf16"), slots)
    show_error(plan.cells, store)


def show_error(cells: Sequence[Cell], store: ResultStore, wall: float | None = None) -> None:
    """Keep, and say in a line, how far off the estimates of finished cells were, where there are any.

    `wall`: seconds that all of the cells took together, from start to end.
    """
    error = keep_errors(store, cells)
    if error is None:
        return
    taken = f"{hours(error.predicted)} predicted, {hours(error.measured)} taken ({error.total:+.0%})"
    click.echo(
        f"estimates of {number_of(error.cells, 'finished cell')}: {taken}; single cells off by "
        f"{error.median:.0%} in the median, {error.worst:+.0%} at the worst"
    )
    planned = kept_makespan(store, cells) if wall is not None and error.cells == len(cells) else None
    if planned is not None and wall is not None:
        predicted, slots = planned
        click.echo(
            f"from start to end: {hours(predicted)} predicted with {slots} at a time, {hours(wall)} taken "
            f"({wall / predicted - 1:+.0%})"
        )


def hours(seconds: float | None) -> str:
    """In hours, or in the unit below that fits."""
    if seconds is None:
        return MISSING
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.2f} h"


def _show(cells: Sequence[Cell], store: ResultStore) -> None:
    """A line for each kind of cell: how many there are, what one will take, and what those took that have finished."""
    from tabulate import tabulate

    prices = kept_prices(store)
    kinds: dict[str, list[Cell]] = {}
    for cell in cells:
        kinds.setdefault(kind_of(cell), []).append(cell)
    rows = []
    for own in kinds.values():
        head = own[0]
        price = next((prices[cell.id] for cell in own if cell.id in prices), Price())
        took = [price_of(record.cost).seconds for cell in own if (record := store.finished(cell)) is not None]
        seconds = [each for each in took if each is not None]
        rows.append(
            [
                " · ".join(filter(None, [head.task, head.method, head.trial, head.backbone])),
                f"{len(own) - len(took)} of {len(own)}",
                hours(price.seconds),
                _bytes(price.gpu_bytes),
                _bytes(price.resident_bytes),
                _energy(price.joules),
                hours(sum(seconds) / len(seconds) if seconds else None),
            ]
        )
    header = ["Cells", "Left", "Time of one", "GPU memory", "Memory", "Energy", "Taken"]
    click.echo(f"\n{tabulate(rows, headers=header, tablefmt='simple', disable_numparse=True)}\n")


def _show_total(left: Sequence[Cell], store: ResultStore, slots: int) -> None:
    kept = kept_prices(store)
    prices = [kept.get(cell.id, Price()) for cell in left]
    seconds = [price.seconds for price in prices if price.seconds is not None]
    if not seconds:
        return
    joules = [price.joules for price in prices if price.joules is not None]
    missing = len(left) - len(seconds)
    partly = f" ({missing} of them without estimate, and not counted)" if missing else ""
    energy = _energy(sum(joules) if len(joules) == len(left) else None)
    click.echo(
        f"{number_of(len(left), 'cell')} left{partly}: {hours(sum(seconds))} in all, "
        f"{hours(makespan(seconds, slots))} with {slots} at a time, energy {energy}"
    )


def _show_bf16(
    left: Sequence[Order], store: ResultStore, time_kinds: Callable[[Iterable[Order]], Timed], slots: int
) -> None:
    """What float32 cells would take in bf16, timed now, on a CPU that multiplies in it; nothing where one has no
    price."""
    instructions, prices = bf16_of_cpu(), kept_prices(store)
    orders = [order for order in left if order.cell.execution.precision == "fp32" and order.cell.id in prices]
    cells = [order.cell for order in orders]
    if instructions is None or not cells:
        return
    forms = {kind_of(order.cell): _in_bf16(order) for order in orders}
    estimates = time_kinds(forms.values()).estimates
    taken = {kind: estimates.get(order.cell.id, Estimate()).cost.seconds for kind, order in forms.items()}
    pairs = [(prices[cell.id].seconds, taken[kind_of(cell)]) for cell in cells]
    known = [(plain, bf16) for plain, bf16 in pairs if plain is not None and bf16 is not None]
    if not known:
        return
    plain, bf16 = (makespan(list(seconds), slots) for seconds in zip(*known, strict=True))
    beside = f"not {hours(plain)}: --precision bf16; their scores share no column with float32"
    click.echo(
        f"in bf16, for which this CPU has instructions ({instructions}), {number_of(len(known), 'cell')} would take "
        f"{hours(bf16)}, {beside if bf16 < PAYS * plain else f'and {hours(plain)} as they are: it does not pay'}"
    )


def _in_bf16(order: Order) -> Order:
    execution = order.cell.execution.model_copy(update={"precision": "bf16"})
    return replace(order, cell=replace(order.cell, execution=execution))


def _bytes(count: float | None) -> str:
    return MISSING if count is None else f"{count / 2**30:.2f} GiB"


def _energy(joules: float | None) -> str:
    return MISSING if joules is None else f"{joules / 3.6e6:.3g} kWh"
