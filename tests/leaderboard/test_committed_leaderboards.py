"""The committed tables are what this code makes of the committed records, byte for byte."""

from pathlib import Path

from ssl_bench.leaderboard import render
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
        assert record["provenance"]["device"]
        assert "path" not in record["cell"]


def test_the_readme_shows_the_committed_table() -> None:
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in readme if line.startswith(("| Methods", "| SupOnly", "| MT", "| Full"))]
    committed = (FOLDER / "leaderboard.md").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 4
    assert all(row in committed for row in rows)
