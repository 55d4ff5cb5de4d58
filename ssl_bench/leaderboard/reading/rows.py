"""The rows of a table: methods, their variants, and several settings of one where a column has them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ssl_bench.leaderboard.model import Span, plain_text, words
from ssl_bench.leaderboard.reading.columns import Column
from ssl_bench.leaderboard.reading.entry import PROVIDER, TRAINED_ON, Entry
from ssl_bench.leaderboard.reading.fields import MISSING, canonical
from ssl_bench.leaderboard.reading.grouping import Table


@dataclass(frozen=True)
class Row:
    """One method with one choice of settings."""

    head: Entry
    named: tuple[Span, ...]
    """The method, and what a variant of it sets: `MT, lambda_MT = 0`."""
    label: tuple[Span, ...]
    """What else tells it from other rows of its method: `xi = 0.6`; empty where there are none."""
    cells: tuple[tuple[Entry, ...], ...]
    """The runs of each column, one per split and seed."""

    @property
    def title(self) -> str:
        """The name as plain text, without the label."""
        return plain_text(self.named)

    @property
    def name(self) -> str:
        """The whole name as plain text."""
        return plain_text((*self.named, *self.bracketed))

    @property
    def bracketed(self) -> tuple[Span, ...]:
        """The label as it stands after the name; nothing where there is none."""
        return words(" (", *self.label, ")") if self.label else ()

    @property
    def competes(self) -> bool:
        """Whether it is ranked: what has all the labels, and the control, which is no method, are not."""
        return self.head.role not in ("upper_bound", "control")


def make_rows(table: Table) -> list[Row]:
    """Rows by (position, title), the control beside the baseline, variants below their method.

    A method, or a variant of it, has one row for each choice of what differs within any column.
    """
    entries = [entry for column in table.columns for entry in column.entries]
    heads = {_method(entry): entry for entry in sorted(entries, key=_order, reverse=True)}
    methods = sorted(heads.values(), key=_order)
    controls = [head for head in methods if head.role == "control"]
    others = [head for head in methods if head.role != "control"]
    place = max((number for number, head in enumerate(others, 1) if head.role == "baseline"), default=0)
    titles = [head.method_title for head in methods]
    rows: list[Row] = []
    for head in (*others[:place], *controls, *others[place:]):
        clash = titles.count(head.method_title) > 1
        title = f"{head.method_title} ({head.method})" if clash else head.method_title
        rows += _rows_of(head, title, table.columns)
    return rows


def _method(entry: Entry) -> tuple[str, str]:
    return (entry.method, "control" if entry.role == "control" else "")


def column_titles(table: Table) -> list[str]:
    """Titles of the tasks; with their names where two tasks have one title."""
    heads = [column.head for column in table.columns]
    titles = [head.task_title for head in heads]
    return [
        f"{title} ({head.task})" if titles.count(title) > 1 else title
        for title, head in zip(titles, heads, strict=True)
    ]


def setting_text(value: Any) -> str:
    """A setting as a person would type it."""
    return value if isinstance(value, str) else MISSING if value is None else canonical(value)


def _rows_of(head: Entry, title: str, columns: Sequence[Column]) -> list[Row]:
    """A method's rows: the plain ones, then those of each variant."""
    runs = [[entry for entry in column.entries if _method(entry) == _method(head)] for column in columns]
    variants: dict[tuple[str, ...], list[list[Entry]]] = defaultdict(lambda: [[] for _ in columns])
    examples: dict[tuple[str, ...], Entry] = {}
    for number, column in enumerate(runs):
        for entry in column:
            key = tuple(_given(entry, name) for name in entry.variant)
            variants[key][number].append(entry)
            examples.setdefault(key, entry)
    order = sorted(
        variants, key=lambda key: [_variant_key(examples[key], name) for name in examples[key].variant]
    )
    rows = []
    for key in order:
        named = (
            Span(title),
            *(span for name in examples[key].variant for span in _naming(examples[key], name)),
        )
        rows += _settings_of(head, named, variants[key])
    return rows


def _settings_of(head: Entry, named: tuple[Span, ...], runs: Sequence[Sequence[Entry]]) -> list[Row]:
    """A row for each choice of what differs within any column.

    What a search found is one choice, though it differs from task to task: it has the plain name, beside which others
    say what they set. Where it found for a task what one of these sets, its runs there are those of both.
    """
    differing = sorted({field for column in runs for field in differing_settings(column)})
    found_by_search = _searched(runs)

    def setting(entry: Entry) -> tuple[str, ...]:
        return tuple(canonical(entry.method_settings.get(field)) for field in differing)

    def choice(entry: Entry) -> tuple[str, ...]:
        return () if entry.choice in found_by_search else setting(entry)

    def cell(found: Mapping[tuple[str, ...], Sequence[Entry]], chosen: tuple[str, ...]) -> tuple[Entry, ...]:
        shared = (entry for entry in found.get((), ()) if setting(entry) == chosen)
        return tuple(found.get(chosen) or shared)

    def sort_key(entry: Entry) -> list[tuple[Any, ...]]:
        return [_value_key(entry.method_settings.get(field)) for field in differing]

    by_choice: list[dict[tuple[str, ...], list[Entry]]] = [defaultdict(list) for _ in runs]
    for found, column in zip(by_choice, runs, strict=True):
        for entry in column:
            found[choice(entry)].append(entry)
    examples = {chosen: entries[-1] for found in by_choice for chosen, entries in found.items()}
    rows = []
    for chosen, example in sorted(
        examples.items(), key=lambda item: (item[0] != (), sort_key(item[1]), item[0])
    ):
        fields = differing if chosen else ()
        label = tuple(span for field in fields for span in _label(example, field))[1:]
        cells = tuple(cell(found, chosen) for found in by_choice)
        rows.append(Row(head, named, label, cells))
    return rows


def _searched(runs: Sequence[Sequence[Entry]]) -> set[tuple[Any, ...]]:
    """Choices that a search found, where no column has two of them."""
    found = [{entry.choice for entry in column if entry.trials} for column in runs]
    return set().union(*found) if all(len(choices) < 2 for choices in found) else set()


def _given(entry: Entry, name: str) -> str:
    """What a variant sets, and to what; a preset has no value of its own."""
    return f"{name}={canonical(entry.config[name])}" if name in entry.config else name


def _variant_key(entry: Entry, name: str) -> tuple[Any, ...]:
    return (name, *_value_key(entry.config.get(name)))


def _naming(entry: Entry, name: str) -> tuple[Span, ...]:
    """`, lambda_MT = 0` of a field with a symbol, `, noise = weak` of one without, `, paper` of a preset."""
    if name not in entry.config:
        return words(", ", Span(name))
    return _setting(entry, name, entry.config[name])


def _setting(entry: Entry, name: str, value: Any) -> tuple[Span, ...]:
    latex = dict(entry.symbols).get(name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # As many digits as tell two values apart.
    shown = f"{value:.12g}" if number else Span(setting_text(value))
    return words(", ", Span(latex, "symbol") if latex else Span(name), " = ", shown)


def differing_settings(entries: Sequence[Entry]) -> list[str]:
    """The settings of a method that are not the same in all of some runs."""
    settings = [entry.method_settings for entry in entries]
    fields = {field for setting in settings for field in setting}
    return [field for field in fields if len({canonical(setting.get(field)) for setting in settings}) > 1]


def _label(entry: Entry, field: str) -> tuple[Span, ...]:
    value = entry.method_settings.get(field)
    if field in (PROVIDER, TRAINED_ON):
        return words(", ", f"{field} ", Span(setting_text(value)))
    return _setting(entry, field, value)


def _value_key(value: Any) -> tuple[Any, ...]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (0, value, "") if number else (1, 0, setting_text(value))


def _order(entry: Entry) -> tuple[Any, ...]:
    return (entry.method_position, entry.method_title, entry.method, canonical(entry.method_settings))
