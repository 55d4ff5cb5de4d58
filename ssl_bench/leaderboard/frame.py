"""Records as a pandas DataFrame, one row for each run."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ssl_bench.leaderboard.reading.entries import read_entries
from ssl_bench.leaderboard.reading.entry import Entry
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
    "backbone": "",
    "method": "",
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
    return pd.DataFrame([_row(entry) for entry in entries], columns=[*COLUMNS, *metrics])


def _place(entry: Entry) -> tuple[object, ...]:
    labels = entry.labels or 0
    return (entry.task_position, entry.task, labels, entry.method_position, entry.method, int(entry.seed))


def _row(entry: Entry) -> dict[str, object]:
    own = {
        "cell": entry.id,
        "labels": entry.source,
        "labeled": entry.labels,
        "seed": int(entry.seed),
        "metric": entry.primary.name,
        "score": entry.score,
        "seconds": entry.cost.get("seconds"),
    }
    rest = {name: getattr(entry, name) for name in COLUMNS if name not in own}
    return {**own, **rest, **entry.scores}
