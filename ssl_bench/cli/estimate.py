"""`ssl-bench plan --estimate`: what a plan will take, and how far off that was."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ssl_bench.forecast.prices import (
    Price,
    keep_errors,
    keep_prices,
    kept_makespan,
    kept_prices,
    kind_of,
    makespan,
    measured,
)
from ssl_bench.words import number_of

if TYPE_CHECKING:
    from ssl_bench.plan.cell import Cell
    from ssl_bench.plan.order import Order
    from ssl_bench.plan.plan import Plan
    from ssl_bench.registry.registry import Registry
    from ssl_bench.store.results import ResultStore

MISSING = "-"
PAYS = 0.8
"""Share of the time of float32 from which on bf16 is recommended: less may be noise."""


def estimate(
    registry: "Registry", plan: "Plan", store: "ResultStore", devices: list[str], slots: int
) -> None:
    """Time each shape of what is left of a plan, keep the prices in the results folder, and show them."""
    from ssl_bench.cli.progress import progress_bar
    from ssl_bench.forecast.timing import time_shapes
    from ssl_bench.plan.weights import check_weights

    orders = [order for order in plan.orders if store.finished(order.cell) is None]
    left = [order.cell for order in orders]
    shapes = {kind_of(order.cell): order for order in reversed(orders)}
    check_weights(registry, orders, lambda name: click.echo(f"checking the pretrained weights of {name}"))
    if shapes:
        store.prepare()
        try:
            with progress_bar("timing", len(shapes), "kinds of cells") as advance:
                timed = time_shapes(shapes, devices, slots, plan.preload(registry), advance)
        except KeyboardInterrupt:
            click.echo("ssl-bench: interrupted; no price was kept", err=True)
            raise click.exceptions.Exit(130) from None
        for device in dict.fromkeys(one.device for one in timed.values() if not one.fault):
            prices = {c.id: timed[kind_of(c)].price for c in left if timed[kind_of(c)].device == device}
            keep_prices(store, prices, device, slots)
        for shape, one in timed.items():
            if one.fault:
                click.echo(f"no estimate for {shapes[shape].cell.title}: {one.fault}", err=True)
        click.echo(
            f"timed on {', '.join(sorted({one.device for one in timed.values() if one.device})) or MISSING}"
        )
    _show(plan.cells, store)
    _show_total(left, store, slots)
    if shapes and devices == ["cpu"]:
        _show_bf16(orders, store, plan.preload(registry), slots)
    show_error(plan.cells, store)


def show_error(cells: "Sequence[Cell]", store: "ResultStore", wall: float | None = None) -> None:
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


def _show(cells: "Sequence[Cell]", store: "ResultStore") -> None:
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
        took = [measured(record).seconds for cell in own if (record := store.finished(cell)) is not None]
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


def _show_total(left: "Sequence[Cell]", store: "ResultStore", slots: int) -> None:
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


def _show_bf16(left: "Sequence[Order]", store: "ResultStore", preload: "Sequence[str]", slots: int) -> None:
    """What float32 cells would take in bf16, timed now, on a CPU that multiplies in it; nothing where one has no
    price."""
    from ssl_bench.cli.progress import progress_bar
    from ssl_bench.forecast.timing import time_shapes
    from ssl_bench.machine.devices import bf16_of_cpu

    instructions, prices = bf16_of_cpu(), kept_prices(store)
    orders = [order for order in left if order.cell.execution.precision == "fp32" and order.cell.id in prices]
    cells = [order.cell for order in orders]
    if instructions is None or not cells:
        return
    forms = {kind_of(order.cell): _in_bf16(order) for order in orders}
    with progress_bar("timing in bf16", len(forms), "kinds of cells") as advance:
        timed = time_shapes(forms, ["cpu"], slots, preload, advance)
    pairs = [(prices[cell.id].seconds, timed[kind_of(cell)].price.seconds) for cell in cells]
    known = [(plain, bf16) for plain, bf16 in pairs if plain is not None and bf16 is not None]
    if not known:
        return
    plain, bf16 = (makespan(list(seconds), slots) for seconds in zip(*known, strict=True))
    beside = f"not {hours(plain)}: --precision bf16; their scores share no column with float32"
    click.echo(
        f"in bf16, for which this CPU has instructions ({instructions}), {number_of(len(known), 'cell')} would take "
        f"{hours(bf16)}, {beside if bf16 < PAYS * plain else f'and {hours(plain)} as they are: it does not pay'}"
    )


def _in_bf16(order: "Order") -> "Order":
    execution = order.cell.execution.model_copy(update={"precision": "bf16"})
    return replace(order, cell=replace(order.cell, execution=execution))


def _bytes(count: float | None) -> str:
    return MISSING if count is None else f"{count / 2**30:.2f} GiB"


def _energy(joules: float | None) -> str:
    return MISSING if joules is None else f"{joules / 3.6e6:.3g} kWh"
