"""`ssl-bench tune`: a search of settings, scored on labelled images that are held out."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ssl_bench.cli.executors import GIVEN, ExecutorCommand
from ssl_bench.cli.help import SectionedOption
from ssl_bench.cli.options import request_from, request_options
from ssl_bench.cli.plugins import FILES
from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError
from ssl_bench.machine.files import place, require_writable
from ssl_bench.plan.request import SEARCH
from ssl_bench.plan.text_forms import is_file
from ssl_bench.search.request import SearchRequest
from ssl_bench.words import number_of

if TYPE_CHECKING:
    from ssl_bench.plan.plan import Plan
    from ssl_bench.registry.registry import Registry
    from ssl_bench.search.grid import Search
    from ssl_bench.search.trials import Outcome
    from ssl_bench.store.outcomes import Outcome as Ending
    from ssl_bench.store.results import ResultStore

OWN = (
    "suite",
    *("grid", "preset", "held_out", "to", "tasks", "methods", "settings", "out", "resume", "data"),
)
"""Options that a suite of winners has in another form, or no use for."""


@click.command(cls=ExecutorCommand, short_help="Search settings on held-out labelled images.")
@request_options(SearchRequest)
@click.option(
    "--to",
    cls=SectionedOption,
    section=SEARCH,
    type=Place(),
    help="Where tables, pictures and suite go.  [default: OUT/tune]",
)
def tune(suite: Path | None, to: Path | None, **options: Any) -> None:
    """Try every point of a grid and write the best ones as a suite for `run`.

    SUITE is a TOML file with the same options as keys.

    Points are ordinary cells: they resume, and those that have finished are kept. Every method gets as many trials,
    the baselines included; a method whose own grid is smaller also tries learning rates. Trials are scored on images
    that are held out of the labelled ones, drawn by each of --split-seeds, and never on the test set.
    """
    from ssl_bench.cli.run import complain, execute, open_registry
    from ssl_bench.leaderboard.write import write_tables
    from ssl_bench.plan.plan import make_plan
    from ssl_bench.search.report import about, search_files, search_text
    from ssl_bench.search.suite import winner_suite
    from ssl_bench.search.trials import gather
    from ssl_bench.store.results import ResultStore

    registry = open_registry(options)
    request, searches = make_request(registry, request_from(SearchRequest, options, registry))
    plan = make_plan(registry, request)
    require_one_setting(plan, searches)
    store, folder = ResultStore(options["out"]), to or options["out"] / "tune"

    def outcomes() -> "list[Outcome]":
        return gather(searches, plan.cells, store.finished, lambda cell: diverged(store, cell.id))

    if to:
        require_writable(to, "--to")
    found = outcomes()
    click.echo(about(found))
    endings: list[Ending] = []
    winners = None
    try:
        endings += execute(registry, plan, store, options)
    finally:
        # An interrupted search shows what it has, too.
        if any(store.finished(cell) or diverged(store, cell.id) for cell in plan.cells):
            found = outcomes()
            files = search_files(found)
            winners = winner_suite(suite_options(plan, request, options), request.settings, found)
            files |= {"winners.toml": winners} if winners else {}
            # What an earlier search chose must not pass for the choice of this one.
            (folder / "winners.toml").unlink(missing_ok=True)
            written = write_tables(files, folder)
            click.echo(
                f"\n{search_text(found)}\n\nwrote {written[0]} and {number_of(len(written) - 1, 'file')} beside it"
            )
    complain(
        [one for one in endings if one.status != "finished" and not diverged(store, one.cell)], plan, store
    )
    if winners:
        # They belong beside the search, and not into the default folder, where --out named one.
        given = click.get_current_context().get_parameter_source("out") is not ParameterSource.DEFAULT
        command = [
            "ssl-bench",
            "run",
            str(folder / "winners.toml"),
            *(["--out", str(store.root)] if given else []),
        ]
        click.echo(f"the winners: {shlex.join(command)}")
    else:
        lost = ", ".join(f"{one.method} on {one.task}" for one in found if one.best is None)
        click.echo(
            f"ssl-bench: every trial diverged of {lost}: nothing can be chosen; search smaller values",
            err=True,
        )
        raise click.exceptions.Exit(1)


def make_request(registry: "Registry", request: SearchRequest) -> "tuple[SearchRequest, dict[str, Search]]":
    """The request with the points of each task's search, for its methods and the baseline that they are compared with.

    UsageError as `make_searches`.
    """
    from ssl_bench.data.splits import read_share
    from ssl_bench.plan.variants import pick_variants
    from ssl_bench.registry.registry import pick
    from ssl_bench.search.grid import make_searches

    read_share(request.held_out)
    tasks = pick(registry, "tasks", request.tasks, registry.task)
    named = {variant.method.name for variant in pick_variants(registry, request.methods)}
    every = [registry.method(spec.name) for spec in registry.sorted("methods")]
    baselines = [spec.name for spec in every if spec.role == "baseline"][:1]
    methods = (*request.methods, *(name for name in baselines if name not in named))
    variants = pick_variants(registry, methods)
    searches = make_searches(
        registry,
        tasks,
        variants,
        request.grid,
        request.preset,
        settings=request.settings,
        pass_over=request.of_suite.get("grid", ()),
    )
    points = {
        (task, method): points
        for task, search in searches.items()
        for method, points in search.points.items()
    }
    return request.model_copy(update={"methods": methods, "points": points}), searches


def require_one_setting(plan: "Plan", searches: "Mapping[str, Search]") -> None:
    """UsageError where settings would be chosen for several networks or label counts, or a point is tried twice."""
    for task in dict.fromkeys(cell.task for cell in plan.cells):
        cells = [cell for cell in plan.cells if cell.task == task]
        for option, values in (
            (
                "--labels",
                {cell.split.source for cell in cells if cell.describe["method"]["labels"] == "split"},
            ),
            ("--backbones", {cell.backbone for cell in cells}),
        ):
            if len(values) > 1:
                raise UsageError(
                    f"{option}: task '{task}' has {' and '.join(sorted(values))}; settings are chosen for one of them, "
                    "so search once for each"
                )
        for method in dict.fromkeys(cell.method for cell in cells):
            count = len({cell.trial for cell in cells if cell.method == method})
            if count < searches[task].trials:
                raise UsageError(
                    f"--grid: {method} would try one point twice; give {searches[task].trials} different ones"
                )


def diverged(store: "ResultStore", cell: str) -> bool:
    """Whether a cell came to an early end because a loss or a prediction was not finite."""
    from ssl_bench.store.folder import CellFolder

    failure = CellFolder(store.cells / cell).read_failure()
    return failure is not None and failure.diverged


def suite_options(plan: "Plan", request: SearchRequest, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the command was given, as a suite has them, with paths that hold from everywhere."""
    context = click.get_current_context()
    given: dict[str, Any] = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        if (
            name in OWN
            or name not in options
            or context.get_parameter_source(name) in (ParameterSource.DEFAULT, None)
        ):
            continue
        value = getattr(request, name, options[name])
        key = parameter.opts[0].lstrip("-").replace("-", "_")
        if isinstance(value, Mapping):
            value = list(entries(value, files=name == "labels"))
        given[key] = str(value.absolute()) if isinstance(value, Path) else value
    if files := context.meta.get(FILES):
        given["plugin"] = [str(path.resolve()) for path in files]
    for option, value in context.meta.get(GIVEN, {}).items():
        given[option.opts[0].lstrip("-").replace("-", "_")] = value
    # A folder may also come from the environment.
    data = [f"{task}={source.path.resolve()}" for task, source in plan.sources.items() if source.path]
    return {**given, **({"data": data} if data else {})}


def entries(by_task: Mapping[str, Any], *, files: bool) -> Iterator[str]:
    """`TASK=VALUE` for each, or the value where it is for every task. `files`: values may name a file of labels."""
    from ssl_bench.data.splits import is_number

    for task, values in by_task.items():
        for value in values if isinstance(values, tuple) else (values,):
            # Numbers and `all` say how many images are labelled, whatever files there are.
            named = files and value != "all" and not is_number(value) and is_file(value)
            path = place(value) if named else value
            yield ("{}={}" if task else "{1}").format(
                task, path.absolute() if isinstance(path, Path) else path
            )
