"""Documents as LaTeX to `\\input`. They need the packages booktabs, float, graphicx and xcolor; any engine
will do."""

import re
import unicodedata
from collections.abc import Sequence

from ssl_bench.leaderboard.formats.html import GREEK
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.model import Block, Cell, Document, Grid, Heading, Listing, Paragraph, Span, walk

PREAMBLE = "% Needs \\usepackage{booktabs,float,graphicx,xcolor}.\n"
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


def render_latex(document: Document) -> str:
    """The whole document: tables, each captioned by its section, and the lists below them."""
    return PREAMBLE + "\n" + "\n\n".join(_block(block, titles) for titles, block in walk(document)) + "\n"


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


def _block(block: Block, titles: str) -> str:
    match block:
        case Heading(text, level):
            return f"\\{'sub' * (level - 1)}section*{{{escape_latex(text)}}}"
        case Paragraph(spans):
            return _spans(spans)
        case Listing(items, numbered):
            kind = "enumerate" if numbered else "itemize"
            lines = "\n".join(f"\\item {{}}{_spans(item)}" for item in items)
            return f"\\begin{{{kind}}}\n{lines}\n\\end{{{kind}}}"
        case Grid():
            return _table(block, titles)


def _table(grid: Grid, titles: str) -> str:
    if len(grid.rows) < len(grid.header) > MOST_COLUMNS:
        grid = _turned(grid)
    start = len(grid.header) if grid.numbers_from is None else grid.numbers_from
    said, kept = _said_by_all(grid)
    columns = "".join("l" if number < start else "r" for number in kept)
    caption = ". ".join(escape_latex(text) for text in (titles, grid.caption) if text)
    caption += "".join(f" {text}" if grid.caption else f". {text}" for text in said)
    lines = [
        # Where it stands: floats would drift past the headings of other tables.
        r"\begin{table}[H]",
        r"\centering",
        r"\setlength{\belowcaptionskip}{1ex}",
        *([f"\\caption{{{caption}}}"] if caption else []),
        r"\setlength{\tabcolsep}{3pt}",
        # As wide as it is, and never wider than the page.
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        f"\\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row(grid.header, kept),
        r"\midrule",
        *(_row(row, kept) for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _turned(grid: Grid) -> Grid:
    """Columns as rows: a page is higher than it is wide."""
    header, *rows = zip(grid.header, *grid.rows, strict=True)
    return Grid(grid.name, header, rows, grid.caption)


def _said_by_all(grid: Grid) -> tuple[list[str], list[int]]:
    """What columns without a head say alike in every row, for the caption, and the numbers of the other columns."""
    alike = [
        number
        for number, head in enumerate(grid.header)
        if not head.text and len({row[number].text for row in grid.rows}) == 1
    ]
    cells = [grid.rows[0][number] for number in alike]
    said = [
        f"({_spans(cell.spans)})" if grid.caption else _spans(cell.spans)
        for cell in cells
        if cell.text.lower() not in f" - {grid.caption.lower()}"
    ]
    return said, [number for number in range(len(grid.header)) if number not in alike]


def _row(row: Sequence[Cell], kept: Sequence[int]) -> str:
    return " & ".join(_spans(row[number].spans) for number in kept) + r" \\"


def _spans(spans: Sequence[Span]) -> str:
    return "".join(map(_span, spans))


def _span(span: Span) -> str:
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
            return f"~{{[}}{span.text}{{]}}"
        case "figure":
            return _figure(span.text)


def _figure(text: str) -> str:
    return "".join("$-$" if part == "-" else "".join(map(_character, part)) for part in _SIGN.split(text))


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character
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
