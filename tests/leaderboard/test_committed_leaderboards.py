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


def test_committed_settings_are_what_this_code_would_store() -> None:
    """A field that was added to a method since would leave its cells to no command."""
    registry = load_registry()
    for record in read_records(FOLDER):
        settings = registry.method(record.cell.method).config.model_validate(record.config.method)
        recipe = registry.task(record.cell.task).recipe.model_validate(record.config.recipe)
        assert settings.stored() == record.config.method, record.cell.id
        assert recipe.stored() == record.config.recipe, record.cell.id


def test_the_readme_shows_the_committed_table() -> None:
    committed = scores((FOLDER / "leaderboard.md").read_text(encoding="utf-8"))[0]
    shown = scores((FOLDER.parent / "README.md").read_text(encoding="utf-8"))
    assert {title for table in shown for title, _ in table} == {title for title, _ in committed}
    # Rows with the paper's settings, or what a search found beside the published ones, stand in the tables it links to.
    assert {row for table in shown for _, row in table} == {
        row for _, row in committed if row.startswith("Control") or not re.search(r", paper|, \S+ = ", row)
    }
    for table in shown:
        assert table == {place: brief(committed[place]) for place in table}


def brief(cell: str) -> str:
    """Of a cell of the committed table the mean, the gain over the control and, where they are not three, the runs."""
    if cell == "-":
        return cell
    mean, runs = re.sub(r" ± [\d.]+", "", cell.partition(" (")[0]), re.findall(r"n=\d+", cell)
    told = re.findall(r"([+-][\d.]+) over control", cell) + [count for count in runs if count != "n=3"]
    return f"{mean} ({', '.join(told)})" if told else mean


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
