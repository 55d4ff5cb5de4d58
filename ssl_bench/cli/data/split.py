"""`ssl-bench data split`: make, look into, compare and write out lists of labelled images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssl_bench.cli.data.task_data import of_task, open_task_data
from ssl_bench.cli.help import NamingGroup
from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError
from ssl_bench.machine.files import place
from ssl_bench.words import first_of, names_in, number_of

if TYPE_CHECKING:
    from ssl_bench.dataset import Dataset
    from ssl_bench.specs import TaskSpec


SHOWN = 5
"""Names that one message lists."""


@click.group(cls=NamingGroup, short_help="Make, inspect, compare and export label lists.")
def split() -> None:
    """Lists of labelled images, as `run --labels FILE` takes them.

    `run --labels 1/8` draws its images by seed and name alone and reads no target for it. Lists that are stratified
    by the classes in the masks come from `make` alone, which has to read those masks.
    """


match = click.option(
    "--match",
    type=click.Choice(["exact", "prefix"]),
    default="exact",
    show_default=True,
    help="prefix: a line means every training image whose name begins with it (1 means 10 and 111, too), as some "
    "public code reads its lists.",
)


@split.command(short_help="Make nested, stratified lists.")
@of_task
@click.option("--labels", required=True, help="Fractions, counts or all, by commas, such as 1/16,1/8.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draw.")
@click.option("--out", type=Place(), required=True, help="Folder of the lists.")
def make(task: str, data: Path | None, dataset: str | None, labels: str, seed: int, out: Path) -> None:
    """Make a list for each of --labels, every smaller one within every larger one.

    For a task with classes, images are drawn so that each class is held by about the same share of them as of all
    training images, and every class comes early: this reads the masks of all training images. For other tasks it is
    the draw of `run --labels`, which reads none.
    """
    from ssl_bench.data.splits import count_of

    spec, opened = open_task_data(task, data, dataset)
    asked = names_in(labels)
    counts = {label: count_of(label, opened, task=task) for label in asked}
    if not counts:
        raise UsageError(f"--labels '{labels}': give fractions or counts, such as 1/16,1/8")
    order, shares = _order(spec, opened, seed, max(counts.values()))
    place = {name: row for row, name in enumerate(opened.train)}
    for label, count in counts.items():
        path = out / f"{task}-{label.replace('/', '_')}-seed{seed}.txt"
        _write(path, opened, order[:count])
        _describe(str(path), opened, order[:count])
        if shares is not None:
            whole, part = shares.mean(0), shares[[place[name] for name in order[:count]]].mean(0)
            worst = int(abs(part - whole).argmax())
            click.echo(
                f"  furthest from its share: {opened.classes[worst]}, in {100 * part[worst]:.1f} % of the images, "
                f"{100 * whole[worst]:.1f} % of all; classes absent: {int(((part == 0) & (whole > 0)).sum())}"
            )


@split.command(short_help="Say what a list holds.")
@of_task
@click.argument("labels_list", metavar="LIST", type=Place())
@match
def inspect(task: str, data: Path | None, dataset: str | None, labels_list: Path, match: str) -> None:
    """Say how many images of TASK's training set LIST labels, its content hash, and its public protocol if any.

    For a task with classes it reads the masks of the images listed and counts the images that hold each class.
    """
    from ssl_bench.data.splits import read_labels

    spec, opened = open_task_data(task, data, dataset)
    names = read_labels(labels_list, opened, prefixes=match == "prefix")
    _describe(str(labels_list), opened, names)
    if spec.kind == "classification":
        from ssl_bench.data.stratify import presence

        for name, count in zip(opened.classes, presence(opened, names).sum(0), strict=True):
            click.echo(f"  {name}: in {number_of(count, 'image')}, {100 * count / len(names):.1f} %")


@split.command(short_help="Compare two lists.")
@of_task
@click.argument("first", type=Place())
@click.argument("second", type=Place())
@match
def compare(task: str, data: Path | None, dataset: str | None, first: Path, second: Path, match: str) -> None:
    """Say what two lists of TASK's training images share."""
    from ssl_bench.data.splits import read_labels

    _, opened = open_task_data(task, data, dataset)
    lists = [read_labels(path, opened, prefixes=match == "prefix") for path in (first, second)]
    for path, names in zip((first, second), lists, strict=True):
        _describe(str(path), opened, names)
    one, other = (set(names) for names in lists)
    if one == other:
        verdict = "the same split"
    elif one <= other or other <= one:
        verdict = f"nested: {first if one <= other else second} lies within the other"
    elif not one & other:
        verdict = "disjoint: no image is in both"
    else:
        verdict = "two splits: their scores are not comparable"
    click.echo(f"shared: {len(one & other)}, only first: {len(one - other)}, only second: {len(other - one)}")
    click.echo(verdict)


@split.command(short_help="Write a list that --labels takes.")
@of_task
@click.argument("labels")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="As one of `run --split-seeds`."
)
@match
@click.option("--out", type=Place(), required=True, help="List file to write.")
def export(
    task: str, data: Path | None, dataset: str | None, labels: str, seed: int, match: str, out: Path
) -> None:
    """Write the images that `run --labels LABELS` labels, one id a line.

    LABELS is a fraction, a count, all, or a list file in any form that is read, which comes out in exact ids.
    """
    from ssl_bench.data.splits import check_labels, make_split, read_labels

    _, opened = open_task_data(task, data, dataset)
    labels = str(place(labels)) if labels.startswith("~") else labels
    check_labels(labels)
    if match == "prefix":
        if not Path(labels).is_file():
            raise UsageError(f"--match prefix is for list files, and '{labels}' is none")
        names = read_labels(Path(labels), opened, prefixes=True)
    else:
        names = make_split(opened, labels, seed, task=task).labeled
    _write(out, opened, names)
    _describe(str(out), opened, names)


def _order(spec: "TaskSpec", opened: "Dataset", seed: int, count: int) -> tuple[list[str], Any]:
    """Training images in the order in which they are labelled, and which classes each of all holds."""
    from ssl_bench.data.splits import ranked

    if spec.kind != "classification":
        click.echo(f"task '{spec.name}' has no classes to stratify by: drawn as `run --labels` does")
        return ranked(opened.train, seed)[:count], None
    from ssl_bench.data.stratify import presence, stratified
    from ssl_bench.run.display import terminal_display

    with terminal_display() as display:
        display.checking(f"{spec.name} masks", len(opened.train))
        holds = presence(opened, opened.train, display.checked)
    return stratified(opened.train, holds, seed, count), holds


def _describe(title: str, opened: "Dataset", names: "list[str] | tuple[str, ...]") -> None:
    from ssl_bench.data.splits import split_of

    made = split_of(opened, names, title)
    protocol = opened.protocol(names)
    click.echo(
        f"{title}: {len(made.labeled)} labelled, {len(made.unlabeled)} unlabelled, split {made.hash}"
        + (f", as many as in the public protocol {protocol}" if protocol else "")
    )


def _write(path: Path, opened: "Dataset", names: "list[str] | tuple[str, ...]") -> None:
    """Write a list. UsageError where reading it would not give the same names."""
    from ssl_bench.data.lists import NameList
    from ssl_bench.machine.files import write_text

    text = "".join(f"{name}\n" for name in names)
    known = NameList(opened.aliases())
    wrong = [name for name in names if not known.holds(name)]
    if wrong:
        some = first_of([repr(name) for name in wrong], SHOWN)
        raise UsageError(
            f"--out {path}: no line of a list can say {some}; take spaces at the ends and line breaks out of "
            f"{'these names' if len(wrong) > 1 else 'this name'}"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise UsageError(f"--out {path}: cannot be written ({error.strerror or error})") from error
