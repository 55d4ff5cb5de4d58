"""What a document of tables is made of, before any format: typed spans, cells, grids and blocks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ssl_bench.leaderboard.reading.fields import MISSING

Style = Literal["text", "code", "formula", "symbol", "figure", "strong", "faint", "cite"]
"""`text` may hold anything and is escaped; `formula` is LaTeX, and so is `symbol`, which stands within a name and is
plain text wherever names are; the others are made here, of numbers and words."""
Value = float | int | str


@dataclass(frozen=True)
class Span:
    """A piece of a cell or a paragraph, in one style."""

    text: str
    style: Style = "text"


@dataclass(frozen=True)
class Cell:
    """What a person reads, and the same as named values for a machine."""

    spans: tuple[Span, ...]
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The spans without their styles, and without references."""
        return plain_text(self.spans)


@dataclass(frozen=True)
class Grid:
    """One table. `name` is fit for a file's name."""

    name: str
    header: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    numbers_from: int | None = None
    """Columns of bare numbers begin here."""
    measures: Sequence[str] = ()
    """What the scores of each column are: a metric with unit and arrow, or nothing."""
    alone: Sequence[tuple[Span, ...]] = ()
    """Sentences that stand elsewhere in its document, and in its caption where it is a file of its own."""

    @property
    def heads(self) -> Sequence[Cell]:
        """The header, with what the scores of a column are where columns differ in that."""
        return self.measured if len(set(filter(None, self.measures))) > 1 else self.header

    @property
    def measured(self) -> Sequence[Cell]:
        """The header, with what the scores of each column are."""
        return [
            Cell((*head.spans, *words(", ", Span(measure))), head.values) if measure else head
            for head, measure in zip(self.header, self.measures or [""] * len(self.header), strict=True)
        ]


@dataclass(frozen=True)
class Heading:
    """The title of a document (level 1), a section (2) or a part of one (3)."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Running text of one paragraph, in its styles."""

    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Listing:
    """A list of items, numbered from 1 or with bullets."""

    items: Sequence[tuple[Span, ...]]
    numbered: bool = False


Block = Heading | Paragraph | Listing | Grid
Document = Sequence[Block]


def plain_text(spans: Iterable[Span]) -> str:
    """Spans without their styles, and without references."""
    shown = (span for span in spans if span.style != "cite")
    return "".join(plain_symbol(span.text) if span.style == "symbol" else span.text for span in shown)


def plain_symbol(latex: str) -> str:
    r"""Strip a symbol of its LaTeX: `lambda_MT` for `\lambda_{MT}`."""
    return "".join(character for character in latex if character not in "\\{}$")


def walk(document: Document) -> Iterator[tuple[str, Block]]:
    """Every block with the titles above it, that of the document left out."""
    titles: dict[int, str] = {}
    for block in document:
        if isinstance(block, Heading) and block.level > 1:
            titles = {level: text for level, text in titles.items() if level < block.level}
            titles[block.level] = block.text
        yield ". ".join(titles.values()), block


def cell(content: str, style: Style = "text", **values: Value) -> Cell:
    """A cell of one span."""
    return Cell((Span(content, style),), values)


def figure(content: str, **values: Value) -> Cell:
    """A cell of numbers and words made here."""
    return cell(content, "figure", **values)


def missing() -> Cell:
    """Make the cell of what was not measured, a dash."""
    return figure(MISSING)


def exact(value: float) -> str:
    """A number for a machine, at 12 digits: those beyond differ from one processor to the next."""
    return str(value) if isinstance(value, int) else repr(float(f"{value:.12g}"))


def words(*parts: str | Span) -> tuple[Span, ...]:
    """Spans of a sentence: strings are our own words, names come as spans."""
    return tuple(Span(part, "figure") if isinstance(part, str) else part for part in parts)


def paragraph(*parts: str | Span) -> Paragraph:
    """A paragraph of our own words and of names."""
    return Paragraph(words(*parts))


def joined(names: Sequence[str], separator: str) -> tuple[Span, ...]:
    """Names with our own words between them."""
    spans: list[Span] = []
    for name in names:
        spans += [Span(separator, "figure")] if spans else []
        spans.append(Span(name))
    return tuple(spans)
