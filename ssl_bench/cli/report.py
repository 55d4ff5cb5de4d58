"""`ssl-bench report`: one page of all records, to look at in a browser."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from ssl_bench.cli.options import results_folders, shown_data_option
from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.cli.progress import say_broken
from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError

if TYPE_CHECKING:
    from ssl_bench.report.gallery import Gallery


@click.command(short_help="Make one HTML page of all records.")
@results_folders("folder")
@click.option("--out", type=Place(), help="The page.  [default: FOLDER/report.html]")
@click.option("--oracle", is_flag=True, help="As of `ssl-bench leaderboard`.")
@click.option(
    "--images",
    type=click.IntRange(0, 20),
    default=3,
    show_default=True,
    help="Test images per task in galleries, where weights and data are at hand; 0: no galleries.",
)
@shown_data_option
@plugin_option
def report(folder: Path, out: Path | None, oracle: bool, images: int, data: dict[str, Path]) -> None:
    """Read every record below FOLDER (default: runs) and write one page that needs no network."""
    from ssl_bench.advise.advice import read_advice
    from ssl_bench.compare.choice import Finished
    from ssl_bench.machine.files import sweep, write_text
    from ssl_bench.report import make_report
    from ssl_bench.report.advice import advice_part
    from ssl_bench.store.results import record_files

    page = out or folder / "report.html"
    broken: list[str] = []
    found = record_files(folder, broken)
    say_broken(broken)
    if not found:
        raise UsageError(f"no records below {folder}; run `ssl-bench run` first, or name its folder")
    if not page.parent.is_dir() or page.is_dir():
        raise UsageError(f"--out {page}: must be a file in a folder that exists")
    linked = [(link(path, page.parent), record) for path, record in found]
    registry = load_registry()
    galleries: list[Gallery] = []
    if images and (finished := Finished(found)).folders:
        from ssl_bench.compare.gallery import make_galleries

        galleries, problems = make_galleries(finished, registry, images, data)
        for problem in problems:
            click.echo(f"warning: {problem}", err=True)
    advice = read_advice(folder)
    first = [advice_part(advice, folder)] if advice else []
    sweep(page.parent)
    write_text(
        page, make_report(linked, oracle=oracle, claims=registry.claims, galleries=galleries, first=first)
    )
    click.echo(f"wrote {page}")


def link(path: Path, folder: Path) -> str:
    """The address of a file as seen from a page in a folder, whatever characters its name has."""
    parts, base = path.resolve().parts, folder.resolve().parts
    common = 0
    while common < min(len(parts), len(base)) and parts[common] == base[common]:
        common += 1
    return "/".join([".."] * (len(base) - common) + [quote(part, safe="") for part in parts[common:]])
