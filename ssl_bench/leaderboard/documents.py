"""The files of a leaderboard."""

from collections.abc import Iterable, Sequence

from ssl_bench.leaderboard.entries import MISSING, Entry, read_entries
from ssl_bench.leaderboard.gaps import bound_of
from ssl_bench.leaderboard.grouping import Table, make_tables
from ssl_bench.leaderboard.markdown import escape
from ssl_bench.leaderboard.rows import Row, make_rows
from ssl_bench.leaderboard.scores import baseline_of
from ssl_bench.leaderboard.tables import (
    Numbers,
    cost_table,
    gap_table,
    hyperparameters,
    numbered,
    score_table,
    settings_table,
    symbols_of,
)
from ssl_bench.results import Record

EMPTY = "No finished runs yet.\n"


def render(records: Iterable[Record]) -> dict[str, str]:
    """File name to text: `README.md`, `leaderboard.md` and `hyperparameters.md`."""
    records = list(records)
    entries, _ = read_entries(records)
    tables = "\n".join(f"  - {escape(table.title)}" for table in make_tables(entries))
    index = f"# Leaderboards\n\nMade by `ssl-bench leaderboard` from {_count(len(entries), 'record')}.\n\n"
    index += "- [Leaderboard](leaderboard.md): scores, settings and cost\n" + (
        f"{tables}\n" if tables else ""
    )
    index += "- [Hyper-parameters](hyperparameters.md): settings of the methods\n"
    return {
        "README.md": index,
        "leaderboard.md": f"# Leaderboard\n\n{main_table(records)}",
        "hyperparameters.md": f"# Hyper-parameters\n\n{hyperparameter_table(records)}",
    }


def main_table(records: Iterable[Record]) -> str:
    """Every table of scores with its settings and cost, then notes and references. Markdown."""
    entries, repeated = read_entries(records)
    tables = make_tables(entries)
    if not tables:
        return EMPTY
    rows = [row for table in tables for row in make_rows(table)]
    numbers = numbered(rows)
    parts = []
    for table in tables:
        parts += [f"## {escape(table.title)}", score_table(table, numbers)]
        if gaps := gap_table(table, numbers):
            parts += [f"Share of the gap{_ends(table)} that is closed without the labels:", gaps]
        parts += ["Settings:", settings_table(table)]
        parts += ["Cost, as mean time of a run and size of the deployed network:", cost_table(table, numbers)]
    parts += ["## Notes", "\n".join(f"- {note}" for note in _notes(entries, repeated, tables, rows))]
    return "\n\n".join([*parts, *_references(numbers)]) + "\n"


def hyperparameter_table(records: Iterable[Record]) -> str:
    """The hyper-parameters of every table of scores; those that have the same ones share a table. Markdown."""
    tables = make_tables(read_entries(records)[0])
    if not tables:
        return EMPTY
    rows = [row for table in tables for row in make_rows(table) if symbols_of(row)]
    numbers = numbered(rows)
    shared: dict[str, list[str]] = {}
    for table in tables:
        shared.setdefault(hyperparameters(table, numbers), []).append(escape(table.title))
    parts = []
    for text, titles in shared.items():
        parts.append(f"## {titles[0]}")
        if len(titles) > 1:
            parts.append(f"The same for: {'; '.join(titles[1:])}.")
        parts.append(text or "No method here has hyper-parameters of its own.")
    return "\n\n".join([*parts, *_references(numbers)]) + "\n"


def _notes(
    entries: Sequence[Entry], repeated: int, tables: Sequence[Table], rows: Sequence[Row]
) -> list[str]:
    baselines = {
        escape(row.title): None
        for table in tables
        for number in range(len(table.columns))
        if (row := baseline_of(make_rows(table), number))
    }
    bounds = dict.fromkeys(escape(row.title) for row in rows if row.head.role == "upper_bound")
    everywhere = dict.fromkeys(escape(row.title) for row in rows if row.head.uses_all_labels)
    versions = {version for entry in entries for _, version in entry.versions}
    versions |= {entry.provider for entry in entries}
    notes = ["Scores: mean ± sample standard deviation over n seeds. The best mean of a column is in bold."]
    if baselines:
        notes.append(
            f"Signed figures: difference to {' or '.join(baselines)}, over the seeds that both have."
        )
    if bounds:
        notes.append(f"{' and '.join(bounds)}: an upper bound, which does not compete for bold.")
    if everywhere:
        notes.append(
            f"{' and '.join(everywhere)}: trained on every label of the training set, whatever the split."
        )
    notes.append(
        "What ranks is the score after the last iteration, never the best one of a run, "
        "which would be a choice made on test data."
    )
    notes.append(f"Made from {_count(len(entries), 'record')}.{_left_out(repeated)}")
    notes.append(f"Hardware: {_listed(entry.device for entry in entries)}.")
    notes.append(f"Versions: {_listed(versions)}.")
    return notes


def _ends(table: Table) -> str:
    rows = make_rows(table)
    ends = {
        (escape(low.title), escape(high.title))
        for number in range(len(table.columns))
        if (low := baseline_of(rows, number)) and (high := bound_of(rows, number))
    }
    return " from {} to {}".format(*ends.pop()) if len(ends) == 1 else ""


def _left_out(repeated: int) -> str:
    return f" {_count(repeated, 'more')} repeat a run and are left out." if repeated else ""


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 or word == "more" else f"{number} {word}s"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(escape(name) for name in sorted(set(names) - {MISSING})) or "not recorded"


def _references(numbers: Numbers) -> list[str]:
    lines = [f"{number}. {escape(reference)}" for reference, number in numbers.items()]
    return ["## References", "\n".join(lines)] if lines else []
