"""`ssl-bench advise`: whether learning from unlabelled images pays on a folder, which method, and its network."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssl_bench.cli.options import field_options
from ssl_bench.cli.plugins import load_registry, plugin_option, warn_of_failures
from ssl_bench.cli.values import Place
from ssl_bench.errors import CellError, UsageError
from ssl_bench.plan.request import Request, Running
from ssl_bench.plan.text_forms import read_count
from ssl_bench.words import duration, names_in, number_of

if TYPE_CHECKING:
    from ssl_bench.advise.advice import Advice
    from ssl_bench.advise.rounds import Rounds
    from ssl_bench.advise.start import Started
    from ssl_bench.advise.study import Study
    from ssl_bench.plan.cell import Cell
    from ssl_bench.registry.registry import Registry


@click.command(short_help="Say whether unlabelled images pay on a folder.")
@click.argument("task")
@click.argument("folder", type=Place())
@click.option("--dataset", default="", metavar="NAME", help="The layout, where the folders do not tell.")
@click.option(
    "--unlabeled",
    multiple=True,
    type=Place(),
    metavar="FOLDER",
    help="A folder of further images without targets; repeatable.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=15.0,
    show_default=True,
    help="From when the folder is read until the answer. A first one stands after minutes in any case; more time makes "
    "intervals shorter.",
)
@click.option(
    "--methods", default="", help="A list, as of `run`.  [default: all that the time is enough for]"
)
@click.option(
    "--labels",
    default="",
    metavar="COUNT,...",
    help="Fewer labels, from which the baseline learns as well, to say what a label is worth.  [default: half]",
)
@field_options(Request, "devices")
@field_options(Running, "jobs", "out")
@plugin_option
def advise(
    task: str,
    folder: Path,
    dataset: str,
    unlabeled: tuple[Path, ...],
    minutes: float,
    methods: str,
    labels: str,
    devices: str,
    jobs: int | None,
    out: Path,
) -> None:
    """Say whether learning from unlabelled images pays on FOLDER, and leave the network.

    \b
    ssl-bench advise matting portraits --minutes 15

    The labelled images are tested in folds: each of them is, and none is learnt from and tested at once. What learns
    from labels alone, the control, and the methods that the time is enough for get the same labels and the same number
    of steps. The best of those that stand above labels alone, or else labels alone, then learns from all of them.
    All of it are ordinary cells in a results folder, and the same command goes on where it stood.
    """
    from ssl_bench.advise.rounds import Rounds
    from ssl_bench.advise.start import Ask, open_folder, start_study
    from ssl_bench.advise.verdict import few_unlabeled
    from ssl_bench.machine.devices import count_slots, device_name, find_devices
    from ssl_bench.run.display import terminal_display
    from ssl_bench.run.loop import read_all
    from ssl_bench.store.results import ResultStore

    registry = load_registry()
    warn_of_failures(registry)
    ask = Ask(
        task=registry.task(task),
        folder=folder,
        dataset=dataset,
        unlabeled=unlabeled,
        methods=methods,
        fewer=_counts(labels),
        devices=devices,
    )
    found = find_devices(devices)
    opened = open_folder(registry, ask)
    with terminal_display() as display:
        survey = read_all(opened.dataset, ask.task.name, ask.task.kind, display)
    clock, device = time.monotonic(), device_name(found[0])
    started = start_study(registry, ask, opened, ResultStore(out), survey.prints, device)
    study = started.study
    click.echo(f"{started.found}\nrecipe: {started.setting}")
    for skipped in study.plan.skipped if methods else ():
        click.echo(f"left out: {skipped.title}: {skipped.reason}")
    if few := few_unlabeled(study.evidence()):
        click.echo(f"note: {few}")
    runner = _Runner(registry, study, devices, jobs)
    slots = count_slots(found, 1, jobs)
    rounds = Rounds(study, runner.run, slots, clock + 60 * minutes)
    rounds.first()
    if study.baseline not in {one.row for one in study.evidence().scored}:
        runner.complain()
        raise CellError(f"{study.baseline} finished on no fold: there is nothing to compare with")
    _say_so_far(study, clock)
    if methods:
        rounds.join_all([row for row in study.rows if not study.is_baseline(row)])
    have_run = {one.row for one in study.evidence().scored if one.cost is not None}
    rest = [row for row in study.rows if row not in have_run]
    if not study.evidence().unlabeled:
        rest = [row for row in rest if study.is_baseline(row)]
    rounds.join(_prices(registry, study, rest, devices, jobs, slots))
    while rounds.go_on():
        _say_so_far(study, clock)
    _finish(registry, started, rounds, runner)
    runner.complain()


def _counts(labels: str) -> list[int]:
    """The counts of a list. UsageError for what is none."""
    found = []
    for text in names_in(labels):
        try:
            found.append(read_count(text))
        except ValueError:
            raise UsageError(f"--labels '{text}': give counts of images, such as 4,8") from None
    return found


class _Runner:
    """Runs cells of a study, and keeps what became of those that did not finish."""

    def __init__(self, registry: "Registry", study: "Study", devices: str, jobs: int | None) -> None:
        self.registry, self.study, self.devices, self.jobs = registry, study, devices, jobs
        self.failed: dict[str, str] = {}

    def run(self, cells: "Sequence[Cell]") -> None:
        """Run what has not finished of some cells."""
        from ssl_bench.cli.run import save_when_ended
        from ssl_bench.run.display import terminal_display
        from ssl_bench.run.loop import carry_out
        from ssl_bench.run.start import start_of

        save_when_ended()
        start = start_of(self.registry.executor("local"), {})
        with terminal_display() as display:
            outcomes = carry_out(
                self.registry,
                self.study.part(cells),
                self.study.store,
                start,
                display,
                devices=self.devices,
                jobs=self.jobs,
            )
        self.failed |= {one.cell: one.message for one in outcomes if one.status != "finished"}

    def complain(self) -> None:
        """A line for each cell that did not finish, and exit status 1 where there is any."""
        from ssl_bench.store.folder import CellFolder

        for cell, message in self.failed.items():
            log = CellFolder(self.study.store.cells / cell).log
            click.echo(f"failed: {cell}: {message} (log: {log})", err=True)
        if self.failed:
            raise click.exceptions.Exit(1)


def _say_so_far(study: "Study", clock: float) -> None:
    """The answer as it stands, with how much it rests on."""
    from ssl_bench.advise.verdict import so_far

    evidence = study.evidence()
    folds = number_of(len(evidence.first.scores), "fold")
    click.echo(f"after {duration(time.monotonic() - clock)}, by {folds}: {so_far(evidence)}")


def _prices(
    registry: "Registry", study: "Study", rows: Sequence[str], devices: str, jobs: int | None, slots: int
) -> dict[str, float]:
    """Seconds that a run of each method is expected to take, from a few of its steps; without those that fail."""
    from ssl_bench.cli.estimate import Advancing
    from ssl_bench.cli.progress import progress_bar
    from ssl_bench.forecast.prices import keep_prices, kept_prices, price_of
    from ssl_bench.run.start import start_of
    from ssl_bench.run.timing import time_cells

    cells = {row: study.cell(row, study.folds[0]) for row in rows}
    known = kept_prices(study.store, study.device, slots)
    part = study.part([cell for cell in cells.values() if cell.id not in known])
    if part.orders:
        start = start_of(registry.executor("local"), {})
        with progress_bar("timing", len(part.orders), "methods") as advance:
            display = Advancing(advance)
            timed = time_cells(registry, part, study.store, start, display, devices=devices, jobs=jobs)
        prices = {cell: price_of(one.cost) for cell, one in timed.estimates.items()}
        keep_prices(study.store, prices, study.device, slots)
        for cell in part.cells:
            if cell.id in timed.faults:
                click.echo(f"left out: {cell.row}: {timed.faults[cell.id]}", err=True)
    known = kept_prices(study.store, study.device, slots)
    found = {row: known[cell.id].seconds for row, cell in cells.items() if cell.id in known}
    return {row: seconds for row, seconds in found.items() if seconds is not None}


def _finish(registry: "Registry", started: "Started", rounds: "Rounds", runner: _Runner) -> None:
    """Train the chosen method on all labels, look for the images to label next, keep the answer and show it."""
    from ssl_bench.advise.advice import Advice
    from ssl_bench.advise.finish import images_wanted, keep, places_of
    from ssl_bench.cli.progress import progress_bar

    study = started.study
    evidence = study.evidence()
    network = study.of_all(evidence.chosen.row)
    runner.run([network])
    from ssl_bench.advise.wanted import MOST

    (source,) = study.plan.sources.values()
    dataset = source.dataset
    with progress_bar("looking at", min(MOST, len(dataset.unlabeled)), "images without a label") as advance:
        wanted = images_wanted(study, registry, dataset, lambda: advance(1))
    record = study.store.finished(network)
    score = record.metrics.get(study.metric.name) if record and dataset.test else None
    advice = Advice(
        data=source.path.resolve().name if source.path else source.spec.name,
        evidence=evidence,
        setting=started.setting,
        left_out=tuple(rounds.left_out.items()),
        network=network.id if record else "",
        wanted=places_of(dataset, wanted),
        tested=None if score is None else (score, len(dataset.test)),
    )
    folder = keep(study, advice, dataset, wanted)
    _show(advice, folder, study)
    if rounds.next()[1]:
        click.echo("the same command again runs further folds, for shorter intervals")


def _show(advice: "Advice", folder: Path, study: "Study") -> None:
    from ssl_bench.leaderboard.formats.text import render_text

    click.echo(f"\n{render_text(advice.document())}\n")
    click.echo(f"wrote {folder / 'README.md'}; `ssl-bench report {study.store.root}` makes a page of it all")
    if advice.network:
        runs = f" --runs {shlex.quote(str(study.store.root))}"
        click.echo(f"the network: ssl-bench predict {advice.network} PICTURES --out PREDICTIONS{runs}")
        click.echo(f"for others:  ssl-bench export {advice.network} --out network.onnx{runs}")
