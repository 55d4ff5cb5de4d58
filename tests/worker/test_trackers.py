"""Trackers beside a cell: whatever one does, the cell's record is the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.tracker import Tracker, Trackers

RECORD = {"cell": {"seed": 0, "split": {"labeled": 4}}, "metrics": {"psnr": 20.0}}


class Meddler(Tracker):
    """Changes all that it is given."""

    def start(self, folder: Path, cell: Mapping[str, Any], step: int) -> None:
        cell["split"].clear()

    def step(self, step: int, terms: dict[str, float]) -> None:  # type: ignore[override]
        terms.clear()

    def evaluation(self, step: int, scores: dict[str, float | None]) -> None:  # type: ignore[override]
        scores["test/psnr"] = scores.pop("psnr")

    def end(self, record: Mapping[str, Any]) -> None:
        record["cell"]["seed"] = "n/a"
        record["cell"]["split"].clear()


class Listener(Tracker):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def evaluation(self, step: int, scores: Mapping[str, float | None]) -> None:
        self.told.append(scores)

    def end(self, record: Mapping[str, Any]) -> None:
        self.told.append(record)


class Refusing(Tracker):
    """Cannot be made."""

    def __init__(self) -> None:
        raise SystemExit("not logged in")


def test_a_tracker_changes_nothing_of_what_it_is_given(tmp_path: Path) -> None:
    listener = Listener()
    trackers = Trackers({"meddler": Meddler, "listener": lambda: listener})
    cell: dict[str, Any] = {"split": {"labeled": 4}}
    terms, scores = {"player/task": 1.0}, {"psnr": 20.0}
    record: dict[str, Any] = {**RECORD, "cell": {"seed": 0, "split": {"labeled": 4}}}
    trackers.start(tmp_path, cell, 0)
    trackers.step(1, terms)
    trackers.evaluation(1, scores)
    trackers.end(record)
    assert (cell, terms, scores) == ({"split": {"labeled": 4}}, {"player/task": 1.0}, {"psnr": 20.0})
    assert record == RECORD
    assert listener.told == [{"psnr": 20.0}, RECORD]
    assert [*trackers.trackers] == ["meddler", "listener"], "nothing was raised"


def test_a_tracker_that_cannot_be_made_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    listener = Listener()
    trackers = Trackers({"refusing": Refusing, "listener": lambda: listener})
    trackers.end(RECORD)
    assert listener.told == [RECORD]
    said = capsys.readouterr()
    assert "tracker 'refusing' raised and is dropped" in said.out
    assert "not logged in" in said.err
