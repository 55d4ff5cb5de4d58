"""Every reader of files on the cases that were found once, whole files, and some changed ones.

`python -m benchmarks fuzz` looks for more.
"""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import fuzz
from benchmarks.fuzzing import oracle
from benchmarks.fuzzing.oracle import Fault, each
from benchmarks.fuzzing.targets import TARGETS, mutants, run_one
from ssl_bench.errors import DataError

CASES = Path(__file__).parent / "fuzz"
CHANGED = 25
SECONDS = 10.0
"""That one file may take, on a busy machine."""


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", TARGETS)
def test_readers_give_something_or_say_in_a_line_what_is_wrong(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    whole = [*target.seeds()]
    if not whole:
        pytest.skip("a package that it needs is not installed")
    found = [path.read_bytes() for path in sorted((CASES / name).glob("*"))]
    for place, data in enumerate([*whole, *found, *mutants(target, whole, CHANGED, name)]):
        try:
            assert run_one(target, data, tmp_path) < SECONDS
        except BaseException:
            (tmp_path / "case").write_bytes(data)
            print(f"input {place} of {name}: {tmp_path / 'case'}")
            raise


@pytest.mark.parametrize(
    "name", ["lists", "suites", "records", "signs of life", "cells", "checkpoints", "archives"]
)
def test_whole_files_are_read_to_their_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a target looks at nothing but how errors are said."""
    monkeypatch.setattr(oracle, "SslBenchError", ())
    for data in TARGETS[name].seeds():
        run_one(TARGETS[name], data, tmp_path)


def test_every_case_is_of_a_target() -> None:
    assert {path.name for path in CASES.iterdir()} <= {*TARGETS}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("no file", "names no file"),
        ("file.png\nis wrong", "not one line"),
        ("file.png " * 999, "characters"),
        ("", "not one line"),
    ],
)
def test_what_is_said_must_help(said: str, why: str) -> None:
    def reader(data: bytes, path: Path) -> None:
        raise DataError(said)

    with pytest.raises(Fault, match=why):
        each(reader)(b"", Path("/folder/file.png"))
    each(lambda data, path: data)(b"", Path("/folder/file.png"))


def test_changes_are_the_same_for_the_same_seed() -> None:
    for name in ("png", "records", "checkpoints"):
        target = TARGETS[name]
        whole = [*target.seeds()]
        assert [*mutants(target, whole, 5, "x")] == [*mutants(target, whole, 5, "x")]
        assert [*mutants(target, whole, 5, "x")] != [*mutants(target, whole, 5, "y")]


def test_the_command_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    fuzz.add_options(parser)
    monkeypatch.setattr(fuzz, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"needs atheris; pip install -e '\.\[fuzz\]'"):
        fuzz.run(parser.parse_args([]))
    monkeypatch.setattr(fuzz, "find_spec", lambda name: name)
    with pytest.raises(SystemExit, match="there is no 'x'; known: png, jpeg"):
        fuzz.run(parser.parse_args(["--targets", "png,x"]))


def test_what_the_fuzzer_says_is_added_up() -> None:
    found = fuzz.Found()
    for executed in (70, 50):
        figures = f"stat::number_of_executed_units: {executed}\nstat::peak_rss_mb: {executed}\n"
        fuzz._read(f"#9 NEW cov: {executed} ft: 2\n{figures}", found)
    assert (found.executions, found.branches, found.memory) == (120, 70, 70)
