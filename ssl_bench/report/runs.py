"""The table of all records, as data for the page's script: every text once, so that ten thousand rows stay small."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import MISSING

_TEXTS: tuple[tuple[str, Callable[[Entry], str]], ...] = (
    ("Task", lambda entry: entry.task_title),
    ("Method", lambda entry: entry.method_title),
    ("Seed", lambda entry: entry.seed),
    ("Labels", lambda entry: entry.source),
    ("Labelled", lambda entry: entry.labeled),
    ("Split", lambda entry: entry.split),
    ("Data", lambda entry: entry.data_title),
    ("Network", lambda entry: entry.backbone),
    ("Tier", lambda entry: entry.tier),
    ("Metric", lambda entry: entry.metric),
    ("Hardware", lambda entry: entry.device),
)


def runs_json(runs: Iterable[tuple[str, Entry]]) -> str:
    """JSON that is safe within a `<script>` element: {columns: [{title, texts, rows} or {title, numbers}], links}.

    `runs`: link to a record (empty for none) and its entry.
    """
    runs = sorted(runs, key=lambda run: (_order(run[1]), run[0]))
    columns: list[dict[str, Any]] = []
    for title, get in _TEXTS:
        texts: dict[str, int] = {}
        rows = [texts.setdefault(plain(get(entry)), len(texts)) for _, entry in runs]
        columns.append({"title": title, "texts": list(texts), "rows": rows})
    columns.insert(3, {"title": "Score", "numbers": _numbers([entry.score for _, entry in runs], 4)})
    seconds = [entry.cost.get("seconds") for _, entry in runs]
    columns.insert(4, {"title": "Seconds", "numbers": _numbers(seconds, 1)})
    data = {"columns": columns, "links": [link for link, _ in runs], "missing": MISSING}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _order(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.task_position,
        entry.task,
        entry.method_position,
        entry.method,
        entry.seed.zfill(9),
        entry.id,
    )


def _numbers(values: Sequence[float | None], digits: int) -> list[float | None]:
    return [None if value is None else round(value, digits) for value in values]
