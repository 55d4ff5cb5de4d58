"""Tables as LaTeX to `\\input`, one a file. They need booktabs, graphicx and xcolor; any engine will do."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ssl_bench.leaderboard.formats.html import GREEK
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.model import Cell, Grid, Span, Value
from ssl_bench.leaderboard.reading.fields import MISSING

PREAMBLE = "% Needs \\usepackage{booktabs,graphicx,xcolor}."
MOST_COLUMNS = 8
"""A table that has more, and fewer rows than columns, is turned."""
_SPECIAL = {
    **{character: f"\\{character}" for character in "{}$&#%_"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",
    "`": "{`}",
    "[": "{[}",
    "]": "{]}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
}
_GREEK = {character: name for name, character in GREEK.items()}
_ACCENTS = {0x300: "`", 0x301: "'", 0x302: "^", 0x303: "~", 0x308: '"', 0x30A: "r", 0x30C: "v", 0x327: "c"}
_SIGN = re.compile(r"((?<![\w.])-(?=\d))")
_MATHS = re.compile(r"\\([A-Za-z]+)|[A-Za-z0-9 ,.+=()_^{}<>-]")
_COMMANDS = {
    *GREEK,
    "mathrm",
    "mathit",
    "mathbf",
    "text",
    "bar",
    "hat",
    "tilde",
    "prime",
    "cdot",
    "max",
    "min",
}


def render_latex(grid: Grid, titles: str, label: str, keys: Sequence[str], said: Sequence[str] = ()) -> str:
    """One table: `titles` for its caption, `label` for `\\ref`, and keys of the references that it numbers from 1.

    What is said below it elsewhere stands above it, as comments.
    """
    return "".join(f"% {plain(line)}\n" for line in said) + _Writer(keys).table(grid, titles, label)


def escape_latex(text: str) -> str:
    """Shown as it is. Characters that not every engine has are named by their code point."""
    return "".join(map(_character, plain(text))).replace("--", "-{}-")


def formula_latex(latex: str) -> str:
    """Mathematics of letters, figures, scripts and known commands; anything else is shown as it is written."""
    source = plain(latex)
    commands = set(re.findall(r"\\([A-Za-z]+)", source))
    sound = _balanced(source) and not re.search(r"[_^]\s*(?:[_^}]|$)|[_^][^_^{}]+[_^][^_^{}]*[_^]", source)
    if sound and commands <= _COMMANDS and not _MATHS.sub("", source):
        return f"${source}$"
    return escape_latex(latex)


@dataclass(frozen=True)
class _Writer:
    """A table's text, which cites by key."""

    keys: Sequence[str]

    def table(self, grid: Grid, titles: str, label: str) -> str:
        usual = _usual_runs(grid)
        if len(grid.rows) < len(grid.header) > MOST_COLUMNS:
            grid = _turned(grid)
        start = len(grid.header) if grid.numbers_from is None else grid.numbers_from
        said, kept = self._said_by_all(grid)
        columns = "".join("l" if number < start else "r" for number in kept)
        caption = ". ".join(escape_latex(text) for text in (titles, grid.caption) if text)
        caption += "".join(f" {text}" if grid.caption else f". {text}" for text in said)
        caption += (
            ""
            if usual is None
            else f". $n = {usual}${' where no other is given' * (not _all_runs(grid, usual))}"
        )
        if grid.alone:
            caption += "".join(f". {self._spans(line).rstrip('.')}" for line in grid.alone) + "."
        lines = [
            PREAMBLE,
            r"\begin{table}[t]",
            r"\centering",
            r"\setlength{\belowcaptionskip}{1ex}",
            f"\\caption{{{caption}}}",
            f"\\label{{tab:{label}}}",
            r"\setlength{\tabcolsep}{3pt}",
            # As wide as it is, and never wider than the page.
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            f"\\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            self._row(grid.header, kept),
            *(
                [" & ".join(map(self._measure, (grid.measures[number] for number in kept))) + r" \\"]
                if any(grid.measures)
                else []
            ),
            r"\midrule",
            *(self._row([_without_runs(cell, usual) for cell in row], kept) for row in grid.rows),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def _said_by_all(self, grid: Grid) -> tuple[list[str], list[int]]:
        """What columns without a head say alike in every row, for the caption, and the numbers of the other columns.

        Nothing of metrics that stand below the heads.
        """
        alike = [
            number
            for number, head in enumerate(grid.header)
            if not head.text and len({row[number].text for row in grid.rows}) == 1
        ]
        cells = [grid.rows[0][number] for number in alike] if not any(grid.measures) else []
        said = [
            f"({self._spans(cell.spans)})" if grid.caption else self._spans(cell.spans)
            for cell in cells
            if cell.text.lower() not in f" - {grid.caption.lower()}"
        ]
        return said, [number for number in range(len(grid.header)) if number not in alike]

    def _measure(self, text: str) -> str:
        return escape_latex(text) if text else ""

    def _row(self, row: Sequence[Cell], kept: Sequence[int]) -> str:
        return " & ".join(self._cell(row[number]) for number in kept) + r" \\"

    def _cell(self, cell: Cell) -> str:
        # A lone hyphen would be read as a minus.
        return "---" if cell.text == MISSING else self._spans(cell.spans)

    def _spans(self, spans: Sequence[Span]) -> str:
        return "".join(map(self._span, spans))

    def _span(self, span: Span) -> str:
        match span.style:
            case "text":
                return escape_latex(span.text)
            case "code":
                return f"\\texttt{{{escape_latex(span.text)}}}"
            case "formula" | "symbol":
                return formula_latex(span.text)
            case "strong":
                return f"\\textbf{{{_figure(span.text)}}}"
            case "faint":
                return f"\\textcolor{{gray}}{{{_figure(span.text)}}}"
            case "cite":
                return f"~\\cite{{{self.keys[int(span.text) - 1]}}}"
            case "figure":
                return _figure(span.text)


def _runs_of(grid: Grid) -> list[Value]:
    return [cell.values["n"] for row in grid.rows for cell in row if "n" in cell.values]


def _usual_runs(grid: Grid) -> Value | None:
    """How many runs most cells are over; None where cells do not tell."""
    counts = Counter(_runs_of(grid))
    return max(counts, key=lambda runs: (counts[runs], runs)) if counts else None


def _all_runs(grid: Grid, usual: Value) -> bool:
    return set(_runs_of(grid)) == {usual}


def _without_runs(cell: Cell, usual: Value | None) -> Cell:
    """The cell without `n=3`, where the caption says so."""
    if usual is None or cell.values.get("n") != usual:
        return cell
    spans = (
        Span(re.sub(rf" \(n={usual}\)|(?<=\()n={usual}, ", "", span.text), span.style)
        if span.style == "figure"
        else span
        for span in cell.spans
    )
    return Cell(tuple(span for span in spans if span.text), cell.values)


def _turned(grid: Grid) -> Grid:
    """Columns as rows, whose heads say what their scores are: a page is higher than it is wide."""
    header, *rows = zip(grid.measured, *grid.rows, strict=True)
    if any(grid.measures):
        rows = [row for row in rows if row[0].text]
    return Grid(grid.name, header, rows, grid.caption, alone=grid.alone)


def _figure(text: str) -> str:
    return "".join("$-$" if part == "-" else "".join(map(_character, part)) for part in _SIGN.split(text))


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character
    if character in _GREEK:
        return f"$\\{_GREEK[character]}$"
    base, marks = unicodedata.normalize("NFD", character)[0], unicodedata.normalize("NFD", character)[1:]
    if base.isascii() and base.isalpha() and len(marks) == 1 and ord(marks[0]) in _ACCENTS:
        return f"\\{_ACCENTS[ord(marks[0])]}{{{base}}}"
    return f"\\texttt{{U+{ord(character):04X}}}"


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0
