"""Every metric of every task: a table a task, and one of what is recorded beyond the task's own metrics."""

from collections.abc import Sequence

from ssl_bench.leaderboard.documents.settings import told_alone
from ssl_bench.leaderboard.documents.tables import mean_cell, name_cell, references, score_cell
from ssl_bench.leaderboard.model import Block, Document, Grid, Heading, cell, figure
from ssl_bench.leaderboard.reading.board import Board, Numbers, Section, numbered
from ssl_bench.leaderboard.reading.columns import Column
from ssl_bench.leaderboard.reading.entry import Measure
from ssl_bench.leaderboard.reading.paired import make_field
from ssl_bench.leaderboard.reading.rows import Row, column_titles
from ssl_bench.leaderboard.reading.scores import by_run, score_column
from ssl_bench.leaderboard.reading.standing import Standing

DETAIL_DIGITS = 2


def metrics_document(board: Board) -> Document:
    """All tables, by table of the leaderboard and by task."""
    numbers = numbered(board.rows)
    blocks: list[Block] = []
    for section in board.sections:
        blocks.append(Heading(section.table.title))
        for number, title in enumerate(column_titles(section.table)):
            rows = [row for row in section.rows if row.cells[number]]
            details = _detail_table(rows, number, numbers)
            blocks += [Heading(title, 3), _metric_table(section, rows, number, numbers)]
            blocks += [details] if details else []
    return [*blocks, *references(numbers)]


def _metric_table(section: Section, rows: Sequence[Row], number: int, numbers: Numbers) -> Grid:
    measures = _measures(section.table.columns[number])
    columns = [
        score_column(rows, number, measure, _standing(section, number, measure)) for measure in measures
    ]
    return Grid(
        "metrics",
        [figure("Methods"), *(cell(measure.label) for measure in measures)],
        [
            [name_cell(row, numbers), *(score_cell(column[index]) for column in columns)]
            for index, row in enumerate(rows)
        ],
        alone=told_alone(section, number),
    )


def _measures(column: Column) -> list[Measure]:
    """What ranks, then all that any record has: those of earlier versions may lack some."""
    longest = sorted(column.entries, key=lambda entry: -len(entry.measures))
    found = {column.head.primary.name: column.head.primary}
    for measure in (measure for entry in longest for measure in entry.measures):
        found.setdefault(measure.name, measure)
    return list(found.values())


def _standing(section: Section, number: int, measure: Measure) -> Standing:
    primary = section.standings[number]
    if measure == section.table.columns[number].head.primary:
        return primary
    return primary.by(make_field(section.compared, number, measure))


def _detail_table(rows: Sequence[Row], number: int, numbers: Numbers) -> Grid | None:
    entries = [entry for row in rows for entry in row.cells[number]]
    own = {measure.name for entry in entries for measure in entry.measures}
    names = dict.fromkeys(name for entry in entries for name in entry.scores if name not in own)
    lines = [
        [cell(name), *(mean_cell(_values(row, number, name), DETAIL_DIGITS) for row in rows)]
        for name in sorted(names)
    ]
    header = [figure("Score"), *(name_cell(row, numbers) for row in rows)]
    return Grid("details", header, lines, "Further scores") if lines else None


def _values(row: Row, number: int, name: str) -> list[float]:
    return list(by_run(row.cells[number], name).values())
