"""Every reader of files that may come from elsewhere, by the kind of file."""

import contextlib
import json
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzzing import seeds
from benchmarks.fuzzing.mutations import Mutate, havoc, of_json, resummed, sealed, then
from benchmarks.fuzzing.oracle import Read, each, from_file, quiet


@dataclass(frozen=True)
class Target:
    """Readers of one kind of file."""

    read: Read
    seeds: seeds.Seeds
    file: str
    """Name that the bytes go by."""
    mutate: Mutate = havoc


def pictures(data: bytes, path: Path) -> None:
    """As each of what a picture can be."""
    from ssl_bench.data.pictures import (
        is_colored,
        read_alpha,
        read_indices,
        read_opacity,
        read_picture,
        read_unknown,
    )
    from ssl_bench.pixels.decode import orientation, shown_otherwise
    from ssl_bench.pixels.rasters import read_raster

    each(
        *(read_raster, lambda data, path: read_raster(data, path, alpha=True), read_picture, read_alpha),
        *(read_indices, read_opacity, read_unknown, is_colored),
        *(lambda data, path: orientation(data), lambda data, path: shown_otherwise(data)),
    )(data, path)


def stacks(data: bytes, path: Path) -> None:
    """As a stack of slices, and as an image."""
    from ssl_bench.pixels.arrays import array_of, count_slices, slice_of

    each(array_of, from_file(count_slices), lambda data, path: slice_of(data, path, 1))(data, path)
    if path.suffix == ".npy":
        pictures(data, path)


def matlab(data: bytes, path: Path) -> None:
    """An array, a field of a struct, and a shape."""
    from ssl_bench_tasks.layouts.mat import read_variable, shape_of

    each(
        lambda data, path: read_variable(data, path, "x"),
        lambda data, path: read_variable(data, path, "s", "y"),
        from_file(lambda path: shape_of(path, "x")),
    )(data, path)


def lists(data: bytes, path: Path) -> None:
    """Ids that a list names, and those that begin as its lines do."""
    from ssl_bench.data.lists import NameList, read_prefixes

    names = {
        "1": ["images/1.png"],
        "10": ["images/10.png"],
        "a/2": ["images/a/2.png"],
        "画": ["images/画.png"],
    }
    each(from_file(NameList(names).read), from_file(lambda path: read_prefixes(path, names, ())))(data, path)


def class_tables(data: bytes, path: Path) -> None:
    """A table, and a mask that it reads."""
    from ssl_bench.data.lists import read_classes
    from ssl_bench.data.pictures import read_indices

    def use(path: Path) -> None:
        table = read_classes(path)
        mask = next(seeds.png())
        try:
            read_indices(mask, path, table)
        finally:
            assert json.dumps(table.key)

    each(from_file(use))(data, path)


def statements(data: bytes, path: Path) -> None:
    """`data.toml` of pictures and of records."""
    from ssl_bench.pixels.channels import channels_of, fit, read_statement
    from ssl_bench.pixels.rasters import Raster
    from ssl_bench.store.titles import read_titles

    raster = Raster(np.arange(24, dtype=np.uint16).reshape(2, 3, 4))

    def use(path: Path) -> None:
        fit(raster, path, channels_of(raster, read_statement(path)))

    each(from_file(use), from_file(lambda path: read_titles(path.parent)))(data, path)


def suites(data: bytes, path: Path) -> None:
    """The options of `run`, `plan` and `tune`, as they take them from a suite."""
    import click

    from ssl_bench.cli.plan import plan
    from ssl_bench.cli.tune import tune
    from ssl_bench.errors import UsageError

    def use(path: Path) -> None:
        for command in (plan, tune):
            context = click.Context(command)
            try:
                with context.scope(cleanup=False):
                    command.parse_args(context, [str(path)])
            except click.UsageError as error:
                # What an option says of a value it says without the file, as of the command line.
                raise UsageError(f"{path}: {error.format_message()}") from error

    each(from_file(use))(data, path)


def records(data: bytes, path: Path) -> None:
    """A record, and every table and page that is made with it among others."""
    from ssl_bench.errors import UsageError
    from ssl_bench.leaderboard import check_one_table, render, terminal
    from ssl_bench.machine.files import write_json
    from ssl_bench.report import make_report
    from ssl_bench.store.record import parse_record
    from ssl_bench.store.results import identity_of
    from ssl_bench.store.status import score_text

    def use(path: Path) -> None:
        record = parse_record(path)
        others = [record, *_others()]
        render(others, ("md", "csv", "tex", "html"), oracle=True)
        terminal(others)
        make_report([(f"{one.cell.id}.json", one) for one in others])
        score_text(record)
        identity_of(record)
        write_json(path, record.to_json())
        with contextlib.suppress(UsageError):  # What keeps records from one table names fields, not files.
            check_one_table(others)

    each(from_file(use))(data, path)


@cache
def _others() -> list[Any]:
    from ssl_bench.store.record import Record

    return [Record.of(json.loads(content)) for content in list(seeds.records())[1:3]]


def signs(data: bytes, path: Path) -> None:
    """What a cell at work leaves, and its lock."""
    from ssl_bench.store.folder import CellFolder
    from ssl_bench.store.heartbeat import hang_seconds_of, lock_of
    from ssl_bench.store.status import read_status

    def use(path: Path) -> None:
        folder = CellFolder(path.parent)
        for file in (
            folder.progress,
            folder.failure,
            folder.lock,
            folder.memory,
            folder.order,
            folder.record,
        ):
            file.write_bytes(data)
        hang_seconds_of(folder.path)
        lock_of(folder.path)
        for status in read_status(folder.path.parent.parent):
            assert status.progress is None or status.progress.seconds_left is not Ellipsis
            assert status.owner is None or str(status.owner)

    each(from_file(use))(data, path)


def cells(data: bytes, path: Path) -> None:
    """A finished cell that somebody else wrote, as `predict`, `show` and `export` take it."""
    from ssl_bench.registry.loading import load_registry
    from ssl_bench.use.trained import load_trained

    def use(path: Path) -> None:
        path.with_name("weights.pt").write_bytes(seeds.trained()[1])
        load_trained(path.parent, cache(load_registry)())

    each(from_file(use))(data, path)


def checkpoints(data: bytes, path: Path) -> None:
    """Where a cell stands, and what it learnt."""
    from ssl_bench.worker.checkpoint import load_checkpoint, load_weights

    each(from_file(load_weights), from_file(lambda path: load_checkpoint(path.parent)))(data, path)


def pretrained(data: bytes, path: Path) -> None:
    """What a network is to start from."""
    from ssl_bench_plugins.backbones.encoder_weights import load

    # Which of its two forms a file has is told by its name.
    for name in (path, path.with_suffix(".safetensors")):
        each(from_file(lambda path: load(_network(), path)))(data, name)


@cache
def _network() -> Any:
    from ssl_bench.registry.loading import load_registry
    from ssl_bench.specs import resolve

    name = "unet/tu-tf_efficientnet_lite0"
    return resolve(load_registry().backbone(name).backbone)(name, 3, 2)


def exported(data: bytes, path: Path) -> None:
    """A network that was exported as weights."""
    from ssl_bench.registry.loading import load_registry
    from ssl_bench.use.export import load_weights

    each(from_file(lambda path: load_weights(path, load_registry())))(data, path)


def archives(data: bytes, path: Path) -> None:
    """Unpacked; nothing may come to lie outside."""
    from ssl_bench.data.public.unpack import unpack

    def use(path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=path.parent) as name:
            before = {*path.parent.iterdir()}
            try:
                unpack(path, Path(name) / "in" / "to")
            finally:
                assert {*path.parent.iterdir()} == before
                assert {*Path(name).iterdir()} <= {Path(name) / "in"}
                assert {*(Path(name) / "in").iterdir()} <= {Path(name) / "in" / "to"}
                assert not any(one.is_symlink() for one in Path(name).rglob("*"))

    each(from_file(use))(data, path)


TARGETS: Mapping[str, Target] = {
    "png": Target(pictures, seeds.png, "file.png", then(resummed)),
    "jpeg": Target(pictures, seeds.jpeg, "file.jpg"),
    "tiff": Target(pictures, seeds.tiff, "file.tif"),
    "other pictures": Target(pictures, seeds.other_pictures, "file.bmp"),
    "arrays": Target(stacks, seeds.arrays, "file.npy"),
    "volumes": Target(stacks, seeds.volumes, "file.nii.gz"),
    "matlab": Target(matlab, seeds.matlab, "file.mat"),
    "lists": Target(lists, seeds.lists, "list.txt"),
    "class tables": Target(class_tables, seeds.class_tables, "classes.txt"),
    "statements": Target(statements, seeds.statements, "data.toml"),
    "suites": Target(suites, seeds.suites, "suite.toml"),
    "records": Target(records, seeds.records, "result.json", of_json),
    "signs of life": Target(signs, seeds.signs, "progress.json", of_json),
    "cells": Target(cells, seeds.cells, "cell.json", of_json),
    "checkpoints": Target(checkpoints, seeds.checkpoints, "checkpoint.pt", then(sealed)),
    "pretrained weights": Target(pretrained, seeds.plain_weights, "weights.pth"),
    "exported weights": Target(exported, seeds.exported, "network.safetensors"),
    "archives": Target(archives, seeds.archives, "archive.tar.gz"),
}


def run_one(target: Target, data: bytes, root: Path) -> float:
    """Read bytes as a target does; the seconds it took. Raises whatever a reader should not have raised."""
    folder = root / "cells" / "one"
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with quiet():
        target.read(data, folder / target.file)
    return time.monotonic() - start


def mutants(target: Target, inputs: list[bytes], count: int, seed: str) -> Iterator[bytes]:
    """So many changed ones, always the same."""
    generator = random.Random(seed)
    for _ in range(count if inputs else 0):
        yield target.mutate(generator.choice(inputs), generator)
