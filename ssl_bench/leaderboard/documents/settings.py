"""The views of a table beside its scores: what it was made with, the search before it, and cost in brief."""

from collections.abc import Sequence

from ssl_bench.leaderboard.documents.tables import fastest, header, mean_of, name_cell
from ssl_bench.leaderboard.documents.verdicts import verdict
from ssl_bench.leaderboard.model import Cell, Grid, Span, cell, figure, missing, words
from ssl_bench.leaderboard.reading.board import Numbers, Section
from ssl_bench.leaderboard.reading.columns import Column, runs_text, seeds_text
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import MISSING, finite
from ssl_bench.leaderboard.reading.rows import Row, column_titles
from ssl_bench.recipe import execution_in_words, in_words
from ssl_bench.specs import RATE

TRIALS = (
    "Trials: how many settings were tried in the search that a row's come from. 'None stated': they are the method's "
    "own for this tier, or whoever ran it set them without a word of a search. 'As named': they are those that the "
    "row's name says. 'No settings': it has none but the recipe's."
)
FINGERPRINT = 16
"""Characters shown of the fingerprint of data."""


def made_with(section: Section, number: int) -> tuple[Span, ...]:
    """A line on a column: data, labels, network, budget."""
    column = section.table.columns[number]
    head = column.head
    start = () if head.pretrained == MISSING else words(", weights ", Span(head.pretrained))
    one = "" if column.images == (1,) else "s"
    tested = (", ", Span(images_text(column)), f" test image{one}, ") if column.images else (" images, ",)
    counts = (Span(head.labeled), " labelled, ", Span(head.unlabeled), " unlabelled", *tested)
    budget = (", ", Span(head.iterations), " iterations, ", Span(runs_text(column)))
    return words(
        Span(column_titles(section.table)[number]),
        ": ",
        Span(head.data_title),
        ", ",
        *counts,
        Span(head.backbone, "code"),
        *start,
        *budget,
    )


def told_alone(section: Section, only: int | None = None) -> list[tuple[Span, ...]]:
    """What its columns, or one of them, were made with, and where nobody is ranked: for a table without a document."""
    numbers = range(len(section.table.columns)) if only is None else [only]
    made = [made_with(section, number) for number in numbers]
    return made + [verdict(section, number) for number in numbers if not section.standings[number].ranks]


def cost_table(section: Section, numbers: Numbers) -> Grid:
    """Seconds of the fastest run, and the parameters of the network that it deploys."""
    rows = [
        [name_cell(row, numbers), figure("time, parameters"), *map(_cost, row.cells)] for row in section.rows
    ]
    caption = "Cost, as time of the fastest run and size of the deployed network"
    return Grid("cost", header(section.table), rows, caption)


def search_table(section: Section, numbers: Numbers) -> Grid | None:
    """How many settings were tried to find those of a row, and its learning rate over the recipe's.

    None where nothing is stated of any row: the notes say so.
    """
    if not any(
        entry.trials or _rate(entry) != 1 for row in section.rows for cells in row.cells for entry in cells
    ):
        return None
    rows = [
        [name_cell(row, numbers), figure("trials"), *(_search(row, cells) for cells in row.cells)]
        for row in section.rows
    ]
    return Grid(
        "search", header(section.table), rows, "Search, as trials of settings and the learning rate found"
    )


_SETTINGS = (
    *("Task", "Metric", "Data", "Labels", "Labelled", "Unlabelled", "Test images", "Split", "Network"),
    *("Recipe", "Threads"),
)


def settings_table(section: Section) -> Grid:
    """A line per task: what its column was made with."""
    rows = []
    for title, column in zip(column_titles(section.table), section.table.columns, strict=True):
        head = column.head
        rows.append(
            [
                cell(title),
                cell(head.metric),
                Cell(_data(head)),
                cell(head.source),
                cell(head.labeled),
                cell(head.unlabeled),
                cell(images_text(column)),
                _split(column),
                _network(head),
                _recipe(head),
                _computed(head),
            ]
        )
    return Grid("settings", [figure(name) for name in _SETTINGS], rows, "Settings")


def _search(row: Row, entries: Sequence[Entry]) -> Cell:
    if not entries:
        return missing()
    # Seeds of one row that were searched for differently are nothing to sum up.
    counts = sorted({entry.trials or 0 for entry in entries})
    said = " or ".join(str(count) if count else _unsearched(row, entries[0]) for count in counts)
    rate = f", rate × {_rate(entries[0]):g}" if _rate(entries[0]) != 1 else ""
    return figure(f"{said}{rate}", **({"trials": counts[0]} if len(counts) == 1 and counts[0] else {}))


def _unsearched(row: Row, entry: Entry) -> str:
    """Where settings come from of which no search is stated, as far as a record tells."""
    if row.label or entry.variant:
        return "as named"
    return "none stated" if entry.config.keys() - {RATE} else "no settings"


def _rate(entry: Entry) -> float:
    return finite(entry.config.get(RATE)) or 1.0


def _cost(entries: Sequence[Entry]) -> Cell:
    seconds = fastest(entries, "seconds")
    parameters = mean_of(entries, "parameters")
    if seconds is None and parameters is None:
        return missing()
    time = f"{seconds:.1f} s" if seconds is not None else MISSING
    size = f"{parameters / 1e6:.2f} M" if parameters is not None else MISSING
    values = {"seconds": seconds, "parameters": parameters}
    return figure(f"{time}, {size}", **{name: value for name, value in values.items() if value is not None})


def _data(head: Entry) -> tuple[Span, ...]:
    """Title, data set or layout where it is another, fingerprint."""
    layout = words(" (", Span(head.dataset), ")") if head.is_titled else ()
    return words(Span(head.data_title), *layout, " ", Span(head.data[:FINGERPRINT], "code"))


def images_text(column: Column) -> str:
    """How many test images, or a dash where no record tells."""
    return " or ".join(map(str, column.images)) or MISSING


def _split(column: Column) -> Cell:
    if len(column.split_seeds) > 1:
        return Cell(words(f"{len(column.split_seeds)} splits, ", Span(seeds_text(column))))
    return Cell(words(Span(column.head.split, "code"), ", ", Span(seeds_text(column))))


def _recipe(head: Entry) -> Cell:
    treated = in_words(head.recipe_settings)
    more = (", ", Span(treated)) if treated else ()
    return Cell(words(Span(head.iterations), " iterations ", Span(head.recipe, "code"), *more))


def _network(head: Entry) -> Cell:
    name = Span(head.backbone, "code")
    return Cell((name,) if head.pretrained == MISSING else words(name, ", weights ", Span(head.pretrained)))


def _computed(head: Entry) -> Cell:
    plain = head.execution == execution_in_words({})
    return Cell(words(Span(head.threads), *(() if plain else (", ", Span(head.execution)))))
