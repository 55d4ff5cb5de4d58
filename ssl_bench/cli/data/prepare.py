"""`ssl-bench data prepare`: large pictures as crops or smaller copies, once, before training."""

from pathlib import Path

import click

from ssl_bench.cli.data.check import find_layout
from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError
from ssl_bench.words import number_of


@click.command(short_help="Make crops or smaller copies of a set of large pictures.")
@click.argument("source", type=Place())
@click.option("--out", type=Place(), required=True, help="Folder to make.")
@click.option("--crop", type=click.IntRange(16), metavar="N", help="Cut into squares of N pixels.")
@click.option("--stride", type=click.IntRange(1), metavar="M", help="From crop to crop.  [default: N]")
@click.option("--resize", type=click.IntRange(16), metavar="LONGSIDE", help="Shrink to this longest side.")
@click.option("--task", help="The task, where the folder's layout could serve several.")
@click.option("--dataset", help="The layout, where the folder could be read as several.")
@plugin_option
def prepare(
    source: Path,
    out: Path,
    crop: int | None,
    stride: int | None,
    resize: int | None,
    task: str | None,
    dataset: str | None,
) -> None:
    """Copy the data set in folder SOURCE, cut or shrunk, to a folder that `run --data TASK=OUT` reads.

    Training and test images are cut alike and stay what they were; the crops of a picture, or of a scene, get a folder
    of their own, and are never torn. Each picture is decoded once. An interrupted
    command goes on where it stood, after checking what is there; the source is only read.
    """
    from ssl_bench.cli.progress import progress_bar
    from ssl_bench.data.folders import recognise
    from ssl_bench.data.prepare import Cut, Preparation
    from ssl_bench.data.scan import require_folder
    from ssl_bench.specs import make_task

    if (crop is None) == (resize is None):
        raise UsageError("give either --crop N or --resize LONGSIDE")
    if stride is not None and crop is None:
        raise UsageError("--stride goes with --crop")
    if crop is not None and stride is not None and stride > crop:
        raise UsageError(
            f"--stride {stride} is more than --crop {crop}: what lies between crops would be lost; give {crop} or less"
        )
    for inner, outer in ((out, source), (source, out)):
        if inner.resolve().is_relative_to(outer.resolve()):
            raise UsageError(f"--out {out} and {source} lie in each other; name a folder outside the source")
    registry = load_registry()
    require_folder(source)
    spec = find_layout(registry, source, task, dataset)
    click.echo(f"{source}: {spec.title} (task {spec.task}, dataset {spec.name})")
    opened = registry.load_dataset(spec).open(source)
    for note in opened.notes:
        click.echo(f"note: {note}")
    to_file = make_task(registry.task(spec.task), opened.classes, opened.channels).to_file
    cut = Cut(crop=crop, stride=stride, resize=resize)
    work = Preparation(opened, cut, out, to_file, kind=(spec.task, spec.name))
    if work.done:
        click.echo(f"{work.folder}: {len(work.done)} of {len(work.frames)} pictures are there and whole")
    with progress_bar("preparing", len(work.waiting), "pictures") as advance:
        work.run(advance)
    # Read back as `run` will.
    found, _ = registry.layouts(each for each in registry.datasets_of(spec.task) if each.needs_path)
    layouts = [(each.name, dataset) for each, dataset in found]
    made = dict(layouts)[recognise(out, layouts)].open(out)
    click.echo(
        f"{out}: {number_of(len(made.train), 'training image')} with labels, {len(made.unlabeled)} without, "
        f"{number_of(len(made.test), 'test image')}; use --data {spec.task}={out}"
    )
