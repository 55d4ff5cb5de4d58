"""Records of real runs, of a few steps each, render to the very bytes that are kept beside them.

After a change to a table:
    ssl-bench leaderboard tests/golden --out tests/golden/tables --format md,csv,tex,html --oracle
"""

import shutil
import subprocess
from pathlib import Path

import pytest
from written import render

from ssl_bench.leaderboard import FORMATS
from ssl_bench.registry.loading import load_registry
from ssl_bench.store.record import Record
from ssl_bench.store.results import read_records

FOLDER = Path(__file__).parents[1] / "golden"
LATEX = r"""\documentclass{article}
\usepackage{booktabs,graphicx,xcolor}
\begin{document}
%s
\end{document}
"""


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(read_records(FOLDER))


def rendered(records: list[Record]) -> dict[str, str]:
    return render(records, FORMATS, oracle=True, claims=load_registry().claims)


def test_records_render_to_the_bytes_that_are_kept(records: list[Record]) -> None:
    files = rendered(records)
    assert rendered(records[::-1]) == files
    kept = {
        str(path.relative_to(FOLDER / "tables")): path.read_bytes()
        for path in (FOLDER / "tables").rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert set(files) == set(kept)
    for name, text in files.items():
        assert text.encode() == kept[name], f"{name} differs; see the top of {Path(__file__).name}"
    assert {name.rpartition(".")[2] for name in files} == {*FORMATS, "bib"}


def test_records_come_from_real_runs_with_all_that_tables_need(records: list[Record]) -> None:
    assert len(records) == 16
    for record in records:
        assert record.per_image["ids"]
        assert record.provenance.device
        assert len(record.evaluations) == 2
        assert record.describe.task.metrics[0].aggregate
    comparison = (FOLDER / "tables" / "comparison.md").read_text()
    assert "[" in comparison
    # Scores of single images are there, of mean IoU as well.
    assert "seeds alone)" not in comparison


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX")
def test_every_latex_table_compiles_and_none_is_wider_than_the_page(tmp_path: Path) -> None:
    tables = sorted((FOLDER / "tables").rglob("*.tex"))
    inputs = "\n".join(rf"\input{{{path}}}\clearpage" for path in tables)
    (tmp_path / "main.tex").write_text(LATEX % inputs)
    done = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "main.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Overfull" not in done.stdout
