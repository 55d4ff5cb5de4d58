"""The committed tables are what this code makes of the committed records, byte for byte."""

import re
from pathlib import Path

from written import render

from ssl_bench.registry.loading import load_registry
from ssl_bench.store.results import read_records

FOLDER = Path(__file__).parents[2] / "leaderboards"


def test_tables_come_from_the_records_beside_them() -> None:
    records = list(read_records(FOLDER))
    tables = render(records, claims=load_registry().claims)
    assert len(records) >= 24
    assert {path.name for path in (*FOLDER.glob("*.md"), *FOLDER.glob("*.csv"))} == set(tables)
    for name, text in tables.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, (
            f"run `ssl-bench leaderboard leaderboards` ({name})"
        )


def test_records_tell_of_hardware_and_not_of_places() -> None:
    for record in read_records(FOLDER / "records"):
        assert record.provenance.device
        assert "path" not in record.cell.to_json()


def test_the_readme_shows_the_committed_table() -> None:
    committed = scores((FOLDER / "leaderboard.md").read_text(encoding="utf-8"))[0]
    shown = scores((FOLDER.parent / "README.md").read_text(encoding="utf-8"))
    assert {title for table in shown for title, _ in table} == {title for title, _ in committed}
    # Rows with the paper's own settings stand in the tables that it links to.
    assert {row for table in shown for _, row in table} == {
        row for _, row in committed if ", paper" not in row
    }
    for table in shown:
        # Scores and how many runs stand behind them; gains are for the tables that the README links to.
        assert all(
            score == re.sub(r"(n=\d+), [^)]*\)", r"\1)", committed[place]) for place, score in table.items()
        )


def scores(markdown: str) -> list[dict[tuple[str, str], str]]:
    """Of each table of scores what stands below a task's title in a method's row."""
    found: list[dict[tuple[str, str], str]] = []
    titles: list[str] = []
    for line in markdown.splitlines():
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if name == "Methods":
            # Of several metrics each column says its own.
            titles = [cell.partition(", ")[0] for cell in cells]
            found.append({})
        elif titles and len(cells) == len(titles) and not name.startswith(":"):
            found[-1] |= {(title, name): cell for title, cell in zip(titles, cells, strict=True) if title}
        elif not cells:
            titles = []
    return found
