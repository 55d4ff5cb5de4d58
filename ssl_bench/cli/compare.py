"""`ssl-bench compare`: a figure per task of what several methods make of the same test images."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssl_bench.cli.options import runs_option, shown_data_option
from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.cli.progress import say_broken
from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError
from ssl_bench.words import names_in

if TYPE_CHECKING:
    from ssl_bench.compare.choice import Choice


@click.command(short_help="Draw the outputs of several methods side by side.")
@click.option("--tasks", default="all", show_default=True, help="all, or a list such as a,b")
@click.option(
    "--methods",
    default="all",
    show_default=True,
    help="all but upper bounds, or a list such as a,b, of settings such as 'a:x=0', too",
)
@click.option(
    "--choose",
    type=click.Choice(["random", "gain"]),
    default="random",
    show_default=True,
    help="Which test images: drawn at random, or those with the largest gain of the last method over the baseline.",
)
@click.option(
    "--count", type=click.IntRange(1, 20), default=3, show_default=True, help="Test images in a figure."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random choice.")
@click.option(
    "--like",
    multiple=True,
    metavar="CELL",
    help="A cell in whose settings to compare, by its id or the beginning of it; repeatable.",
)
@runs_option
@click.option("--out", type=Place(), help="Folder for the figures.  [default: RUNS/figures]")
@shown_data_option
@plugin_option
def compare(
    tasks: str,
    methods: str,
    choose: "Choice",
    count: int,
    seed: int,
    like: tuple[str, ...],
    runs: Path,
    out: Path | None,
    data: dict[str, Path],
) -> None:
    """Write a figure per task: input, label and the output of every method, in the order of the tables.

    Cells must have finished with their weights at hand. Red boxes show where the methods differ most.
    """
    from ssl_bench.compare.choice import Finished, choose_cells, require_gains
    from ssl_bench.plan.text_forms import split_outside
    from ssl_bench.plan.variants import pick_variants
    from ssl_bench.registry.registry import pick
    from ssl_bench.store.results import record_files

    registry = load_registry()
    variants = [] if methods == "all" else pick_variants(registry, split_outside(methods))
    broken: list[str] = []
    finished = Finished(record_files(runs, broken))
    say_broken(broken)
    if not finished.folders:
        raise UsageError(
            f"no finished cells with weights below {runs}; run `ssl-bench run` first, or give --runs"
        )
    there = [name for name in registry.entries["tasks"] if finished.columns(name)]
    wanted = there if tasks == "all" else pick(registry, "tasks", names_in(tasks), registry.task)
    for name in like:
        if not any(cell.startswith(name) for cell in finished.folders):
            raise UsageError(f"--like {name}: no finished cell below {runs} begins so")
    # All are chosen before any compute.
    chosen = choose_cells(finished, [registry.task(name) for name in wanted], variants, like)
    for comparison in chosen if choose == "gain" else ():
        require_gains(comparison)

    from ssl_bench.compare.figure import about, caption_of, draw_figure, file_name
    from ssl_bench.compare.outputs import make_outputs

    folder = out or runs / "figures"
    for comparison in chosen:
        outputs = make_outputs(comparison, registry, choose, count, seed, data)
        caption = caption_of(outputs, choose, seed)
        path = folder / file_name(outputs, choose, seed)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            draw_figure(outputs, caption).save(
                path, format="PNG", pnginfo=about(outputs, caption), optimize=True
            )
        except OSError as error:
            raise UsageError(f"--out {folder}: cannot be written ({error.strerror or error})") from error
        click.echo(f"{caption}\nwrote {path}")
    tables = runs / "leaderboards" / "leaderboard.md"
    if chosen:
        where = f"in {tables}" if tables.is_file() else f"where `ssl-bench leaderboard {runs}` writes them"
        click.echo(f"scores over all test images stand {where}")
