"""`ssl-bench data check`: read every file of a data set and report."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.cli.values import Place
from ssl_bench.errors import DataError, UsageError
from ssl_bench.words import number_of

if TYPE_CHECKING:
    from ssl_bench.data.oddities import Survey
    from ssl_bench.dataset import Dataset
    from ssl_bench.recipe import Kind
    from ssl_bench.registry.registry import Registry
    from ssl_bench.specs import DatasetSpec

SHOWN = 50
"""Errors printed; the others are counted."""


@click.command(short_help="Read every file of a data set and report.")
@click.argument("path", type=Place())
@click.option("--task", help="What the data are for, where the folders do not tell.")
@click.option("--dataset", help="The layout, where the folders do not tell.")
@plugin_option
def check(path: Path, task: str | None, dataset: str | None) -> None:
    """Read every image and target in PATH and report pairs, sizes, values, classes and duplicates.

    Images that are in both training and test, pixel for pixel or but for encoding, size or noise, are errors, as is
    whatever would stop a run. The exit status is 1 where there is any.
    """
    from ssl_bench.data.scan import require_folder
    from ssl_bench.data.survey import files_of, survey
    from ssl_bench.run.display import terminal_display

    registry = load_registry()
    require_folder(path)
    spec = find_layout(registry, path, task, dataset)
    layout = registry.load_dataset(spec)
    click.echo(f"{path}: {spec.title} (task {spec.task}, dataset {spec.name})")
    try:
        opened: Dataset = layout.open(path)
    except DataError as error:
        _fail(path, [str(error)])
        return
    kind = registry.task(spec.task).kind
    with terminal_display() as display:
        display.checking(str(path), files_of(opened))
        found = survey(opened, kind, report=display.checked)
    _print(opened, found, kind)
    if found.errors:
        _fail(path, found.errors)
    click.echo("no errors")


def find_layout(registry: "Registry", path: Path, task: str | None, dataset: str | None) -> "DatasetSpec":
    """The one data set, of the task and name given or of any, whose layout lies in a folder."""
    from ssl_bench.data.folders import recognise

    tasks = [registry.task(task).name] if task else [spec.name for spec in registry.sorted("tasks")]
    if task and dataset:
        registry.dataset(task, dataset)
    specs = {
        spec.key: spec
        for name in tasks
        for spec in registry.datasets_of(name)
        if spec.needs_path and dataset in (None, spec.name)
    }
    if not specs:
        registry.refuse_stray(dataset or "")
        raise UsageError(f"--dataset '{dataset}': no such layout; see `ssl-bench data list`")
    if len(specs) == 1:
        return next(iter(specs.values()))
    found, broken = registry.layouts(specs.values())
    for line in broken:
        click.echo(f"warning: {line}", err=True)
    candidates = [(spec.key, dataset) for spec, dataset in found]
    return specs[recognise(path, candidates, "say which with --task and --dataset")]


def _print(opened: "Dataset", found: "Survey", kind: "Kind") -> None:
    rows = [
        (
            "training",
            f"{number_of(len(opened.train), 'image')} with a target, {len(opened.unlabeled)} without",
        ),
        ("test", number_of(len(opened.test), "image")),
    ]
    if found.sizes:
        sizes = found.sizes.most_common(3)
        shown = ", ".join(f"{width} x {height} px ({count})" for (width, height), count in sizes)
        more = f" and {number_of(len(found.sizes) - 3, 'other size')}" if len(found.sizes) > 3 else ""
        rows += [("sizes", shown + more), ("images", f"values {found.images}")]
    rows += [] if opened.channels.are_rgb else [("channels", str(opened.channels))]
    rows += [("targets", f"{dtype} values {values}") for dtype, values in sorted(found.targets.items())]
    rows += [] if found.duplicates else [("duplicates", "none, within training or test or across them")]
    for title, text in rows:
        click.echo(_line(title, text))
    if kind == "classification" and found.pixels.sum():
        _print_classes(opened, found)
    for note in found.notes:
        click.echo(_line("note", note))


def _print_classes(opened: "Dataset", found: "Survey") -> None:
    try:
        classes = opened.classes
    except DataError:  # Said as an error of the mask that is broken.
        return
    names = [*enumerate(classes), (255, "(void)")]
    width = max(len(name) for _, name in names)
    click.echo(_line("classes", f"{'id':>3}  {'name':<{width}}  {'pixels':>8}  targets"))
    for number, name in names:
        share = 100 * found.pixels[number] / found.pixels.sum()
        click.echo(_line("", f"{number:>3}  {name:<{width}}  {share:>6.2f} %  {found.holders[number]}"))


def _fail(path: Path, errors: list[str]) -> None:
    for error in errors[:SHOWN]:
        click.echo(_line("error", error))
    if len(errors) > SHOWN:
        click.echo(_line("error", f"... and {len(errors) - SHOWN} more"))
    click.echo(f"ssl-bench: {number_of(len(errors), 'error')} in {path}", err=True)
    raise click.exceptions.Exit(1)


def _line(title: str, text: str) -> str:
    return f"  {title:<10} {text}"
