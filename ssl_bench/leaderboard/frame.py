"""Records as a pandas DataFrame, one row for each run."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ssl_bench.leaderboard.reading.entries import read_entries
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import canonical
from ssl_bench.leaderboard.reading.rows import setting_text
from ssl_bench.store.record import Record

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "cell": "the id of the cell, by which it is loaded",
    "task": "",
    "dataset": "",
    "labels": "as asked for: `1/8`, `100`, `all`",
    "labeled": "how many images that is",
    "split": "content hash of the split",
    "split_seed": "of the draw of the labelled images",
    "backbone": "",
    "method": "",
    "settings": "those in which runs of this method on this task differ here, `tau=0.5`; empty where none do",
    "seed": "",
    "tier": "",
    "metric": "the metric that ranks",
    "score": "its value after the last iteration",
    "seconds": "of the whole run",
}
"""Columns and what they hold; a column for each metric follows."""


def frame_of(records: Iterable[Record]) -> "pd.DataFrame":
    """The runs of some records in the order of the tables; repetitions of a run are left out.

    Columns: `COLUMNS`, then every metric by name. What was not measured is NaN.
    """
    import pandas as pd

    entries, _ = read_entries(records)
    entries.sort(key=_place)
    metrics = dict.fromkeys(name for entry in entries for name in entry.scores)
    rows = [_row(entry, settings) for entry, settings in zip(entries, _settings(entries), strict=True)]
    return pd.DataFrame(rows, columns=[*COLUMNS, *metrics])


def _place(entry: Entry) -> tuple[object, ...]:
    labels = entry.labels or 0
    method = (entry.method_position, entry.method, entry.variant)
    return (entry.task_position, entry.task, labels, *method, int(entry.split_seed), int(entry.seed))


def _settings(entries: Sequence[Entry]) -> list[str]:
    """Of each run the settings by which runs of its method on its task are told apart."""
    values: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for entry in entries:
        for name, value in entry.method_settings.items():
            values[entry.task, entry.method][name].add(canonical(value))
    return [
        ", ".join(
            f"{name}={setting_text(value)}"
            for name, value in entry.method_settings.items()
            if len(values[entry.task, entry.method][name]) > 1
        )
        for entry in entries
    ]


def _row(entry: Entry, settings: str) -> dict[str, object]:
    own = {
        "cell": entry.id,
        "labels": entry.source,
        "labeled": entry.labels,
        "seed": int(entry.seed),
        "split_seed": int(entry.split_seed),
        "settings": settings,
        "metric": entry.primary.name,
        "score": entry.score,
        "seconds": entry.cost.get("seconds"),
    }
    rest = {name: getattr(entry, name) for name in COLUMNS if name not in own}
    return {**own, **rest, **entry.scores}
