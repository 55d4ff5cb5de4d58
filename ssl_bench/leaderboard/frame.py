"""Records as a pandas DataFrame, one row for each run."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ssl_bench.leaderboard.reading.entries import read_entries
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import MISSING
from ssl_bench.leaderboard.reading.rows import differing_settings, setting_text
from ssl_bench.store.record import Record

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "cell": "the id of the cell, by which it is loaded",
    "task": "",
    "dataset": "",
    "data": "what the data is called",
    "fingerprint": "of the data",
    "labels": "as asked for: `1/8`, `100`, `all`",
    "labeled": "how many images that is",
    "split": "content hash of the split",
    "split_seed": "of the draw of the labelled images",
    "backbone": "",
    "pretrained": "the weights that the network started from; empty for none",
    "method": "",
    "role": "of the method, such as `baseline`, `control` or `upper_bound`",
    "settings": "those in which runs of this method on this task differ here, `tau=0.5`; empty where none do",
    "seed": "",
    "tier": "",
    "iterations": "",
    "recipe": "content hash of the training recipe",
    "execution": "how it was computed, in words",
    "threads": "",
    "provided_by": "who provides task, data set, backbone and method, in which version",
    "metric": "the metric that ranks",
    "score": "its value after the last iteration",
    "seconds": "of the whole run",
}
"""Columns and what they hold; a column for each metric follows."""
_NAMED = {"data": "data_title", "fingerprint": "data", "labels": "source"}
"""What entries call some of them."""


def frame_of(records: Iterable[Record]) -> "pd.DataFrame":
    """The runs of some records in the order of the tables; repetitions of a run are left out.

    Columns: `COLUMNS`, by which two runs are told apart whatever differs between them, then every metric by name, or as
    `metric NAME` where that is one of these columns. What was not measured is NaN.
    """
    import pandas as pd

    entries, _ = read_entries(records)
    entries.sort(key=_place)
    metrics = dict.fromkeys(_column(name) for entry in entries for name in entry.scores)
    rows = [_row(entry, settings) for entry, settings in zip(entries, _settings(entries), strict=True)]
    return pd.DataFrame(rows, columns=[*COLUMNS, *metrics])


def _place(entry: Entry) -> tuple[object, ...]:
    labels = entry.labels or 0
    method = (entry.method_position, entry.method, entry.variant)
    return (
        entry.task_position,
        entry.task,
        labels,
        *method,
        _whole(entry.split_seed) or 0,
        _whole(entry.seed) or 0,
    )


def _settings(entries: Sequence[Entry]) -> list[str]:
    """Of each run the settings by which runs of its method on its task are told apart."""
    same: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        same[entry.task, entry.method].append(entry)
    names = {key: set(differing_settings(runs)) for key, runs in same.items()}
    return [
        ", ".join(
            f"{name}={setting_text(value)}"
            for name, value in entry.method_settings.items()
            if name in names[entry.task, entry.method]
        )
        for entry in entries
    ]


def _row(entry: Entry, settings: str) -> dict[str, object]:
    own = {
        "cell": entry.id,
        "labeled": entry.labels,
        "seed": _whole(entry.seed),
        "split_seed": _whole(entry.split_seed),
        "iterations": _whole(entry.iterations),
        "threads": _whole(entry.threads),
        "settings": settings,
        "metric": entry.primary.name,
        "score": entry.score,
        "seconds": entry.cost.get("seconds"),
    }
    rest = {name: getattr(entry, _NAMED.get(name, name)) for name in COLUMNS if name not in own}
    texts = {name: "" if text == MISSING else text for name, text in rest.items()}
    return {**own, **texts, **{_column(name): score for name, score in entry.scores.items()}}


def _column(metric: str) -> str:
    return f"metric {metric}" if metric in COLUMNS else metric


def _whole(text: str) -> int | None:
    return int(text) if text.removeprefix("-").isdecimal() else None
