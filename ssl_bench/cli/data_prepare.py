"""`ssl-bench data prepare`: large pictures as crops or smaller copies, once, before training."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssl_bench.errors import UsageError

if TYPE_CHECKING:
    from ssl_bench.registry import Registry
    from ssl_bench.specs import DatasetSpec


@click.command(short_help="Make crops or smaller copies of a set of large pictures.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make.")
@click.option("--crop", type=click.IntRange(16), metavar="N", help="Cut into squares of N pixels.")
@click.option("--stride", type=click.IntRange(1), metavar="M", help="From crop to crop.  [default: N]")
@click.option("--resize", type=click.IntRange(16), metavar="LONGSIDE", help="Shrink to this longest side.")
@click.option("--task", help="The task, where the folder's layout could serve several.")
@click.option("--dataset", help="The layout, where the folder could be read as several.")
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

    Training and test images are cut alike and stay what they were. Each picture is decoded once. An interrupted
    command goes on where it stood, after checking what is there; the source is only read.
    """
    from ssl_bench.cli.progress import progress_bar
    from ssl_bench.folders import recognise
    from ssl_bench.prepare import Cut, Preparation
    from ssl_bench.registry import load_registry
    from ssl_bench.specs import resolve

    if (crop is None) == (resize is None):
        raise UsageError("give either --crop N or --resize LONGSIDE")
    if stride is not None and crop is None:
        raise UsageError("--stride goes with --crop")
    for inner, outer in ((out, source), (source, out)):
        if inner.resolve().is_relative_to(outer.resolve()):
            raise UsageError(f"--out {out} and {source} lie in each other; name a folder outside the source")
    registry = load_registry()
    spec = _layout(registry, source, task, dataset)
    click.echo(f"{source}: '{spec.name}' of task '{spec.task}', reading")
    opened = resolve(spec.dataset).open(source)
    to_file = resolve(registry.task(spec.task).task)(opened.classes).to_file
    cut = Cut(crop=crop, stride=stride, resize=resize)
    work = Preparation(opened, cut, out, to_file, kind=(spec.task, spec.name))
    if work.done:
        click.echo(f"{work.folder}: {len(work.done)} of {len(work.frames)} pictures are there and whole")
    with progress_bar("preparing", len(work.waiting), "pictures") as advance:
        work.run(advance)
    # Read back as `run` will.
    layouts = [
        (each.name, resolve(each.dataset)) for each in registry.datasets_of(spec.task) if each.needs_path
    ]
    made = dict(layouts)[recognise(out, layouts)].open(out)
    click.echo(
        f"{out}: {len(made.train)} training images with labels, {len(made.unlabeled)} without, "
        f"{len(made.test)} test images; use --data {spec.task}={out}"
    )


def _layout(registry: "Registry", source: Path, task: str | None, dataset: str | None) -> "DatasetSpec":
    """The one layout, of the task named or of any, that lies in the source."""
    from ssl_bench.folders import recognise
    from ssl_bench.specs import resolve

    tasks = [registry.task(task).name] if task else [spec.name for spec in registry.sorted("tasks")]
    specs = [spec for name in tasks for spec in registry.datasets_of(name) if spec.needs_path]
    if dataset is not None:
        if task is None:
            raise UsageError("--dataset goes with --task")
        return registry.dataset(task, dataset)
    found = [spec for spec in specs if resolve(spec.dataset).recognises(source)]
    sure = [spec for spec in found if not getattr(resolve(spec.dataset), "fallback", False)] or found
    if len({spec.task for spec in sure}) > 1:
        names = ", ".join(dict.fromkeys(spec.task for spec in sure))
        raise UsageError(f"{source} could be data of {names}; say which with --task")
    candidates = {f"{spec.task}/{spec.name}": spec for spec in (sure or specs)}
    offered = [(key, resolve(spec.dataset)) for key, spec in candidates.items()]
    return candidates[recognise(source, offered)]
