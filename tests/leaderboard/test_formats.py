"""One document in every format: what each says, and that no name breaks out of it."""

import csv
import io
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import Said
from test_leaderboard import HOSTILE, example, grids, make, scores
from written import chosen, recorded, render

from ssl_bench.errors import UsageError
from ssl_bench.leaderboard import FORMATS, Choice
from ssl_bench.leaderboard.formats.bibliography import cite_keys, render_bibliography
from ssl_bench.leaderboard.formats.csv import render_csv
from ssl_bench.leaderboard.formats.html import formula_html, render_html
from ssl_bench.leaderboard.formats.latex import escape_latex, formula_latex, render_latex
from ssl_bench.leaderboard.frame import COLUMNS, frame_of
from ssl_bench.leaderboard.model import Cell, Grid, Span, cell, figure, missing
from ssl_bench.registry.loading import load_registry

Command = Callable[..., Said]
VOID = {"br", "hr", "img", "input", "meta", "link"}


class Parsed(HTMLParser):
    """Elements in order, text by element, and whether every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def comments(self) -> None:
        raise AssertionError

    handle_comment = handle_decl = handle_pi = lambda self, data: pytest.fail(data)  # type: ignore[assignment]


def hostile() -> list[dict]:
    paths = (
        *("describe__task__title", "describe__method__title", "describe__method__reference", "cell__dataset"),
        *("cell__split__source", "cell__backbone", "cell__split__hash", "provenance__device"),
        "providers__method",
    )
    metric = [{"name": "psnr", "symbol": HOSTILE, "unit": HOSTILE}]
    symbols = [["eta_mt", HOSTILE], [r"\eta", r"\input{/etc/passwd}"], ["c", r"a_b_c}\end{table}"]]
    return [
        make("night", "mt", 0, 18.0, config__method={"eta_mt": value, r"\eta": 1, "c": 2, HOSTILE: value},
             describe__task__metrics=metric, describe__method__symbols=symbols, **dict.fromkeys(paths, HOSTILE))
        for value in (1.0, HOSTILE, "=1+1", r"\input{x} % \\ & # ~ ^ é ł 中")
    ]  # fmt: skip


def test_csv_holds_the_numbers_at_twelve_digits() -> None:
    files = render(example(), ["csv"])
    assert set(files) >= {
        "leaderboard/tier-lite-labels-1-8-scores.csv",
        "leaderboard/tier-lite-labels-1-8-gap.csv",
        "leaderboard/tier-lite-labels-1-8-settings.csv",
        "leaderboard/tier-lite-labels-1-8-cost.csv",
    }
    text = files["leaderboard/tier-lite-labels-1-8-scores.csv"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["Methods"] for row in rows] == ["SupOnly", "MT", "Full"]
    assert [row["Night Image Enhancement, PSNR (dB) ↑: mean"] for row in rows][::2] == ["18.4", "20.2"]
    assert float(rows[2]["Night Image Enhancement, PSNR (dB) ↑: std"]) == pytest.approx(0.12**0.5)
    assert rows[0]["Night Image Enhancement, PSNR (dB) ↑: difference"] == ""
    assert rows[1]["Semantic Segmentation, mIoU (%) ↑: difference"] == "4.0"
    assert rows[1]["Semantic Segmentation, mIoU (%) ↑: n"] == "3"
    counts = ("labelled", "unlabelled", "test images", "splits", "seeds")
    counted = [
        [row[f"Night Image Enhancement, PSNR (dB) ↑: {name}"] for name in counts if name != "test images"]
        for row in rows
    ]
    assert counted == [["8", "56", "1", "3"], ["8", "56", "1", "3"], ["64", "0", "1", "3"]]
    # Where records tell of images.
    images = {"ids": ["a", "b"], "psnr": [18.0, 18.0]}
    text = render([make("night", "mt", 0, 18.0, per_image=images)], ["csv"])
    (row,) = csv.DictReader(io.StringIO(text["leaderboard/tier-lite-labels-1-8-scores.csv"]))
    assert row["Night Image Enhancement: test images"] == "2"


def test_csv_of_cells_worked_by_hand() -> None:
    rows = [
        [cell('a, "b"\nc'), figure("1.0 ± 0.5", mean=1.0, std=0.5), missing()],
        [cell("=HYPERLINK(1)"), missing(), figure("-2", value=-2.0)],
        [Cell((Span("MT"), Span("1", "cite"))), figure("3", mean=3), figure("-1", value=-1)],
    ]
    grid = Grid("x", [cell("Name"), cell("Task"), cell("-")], rows)
    assert render_csv(grid) == (
        'Name,Task: mean,Task: std,\n"a, ""b"" c",1.0,0.5,\n\'=HYPERLINK(1),,,-2.0\nMT,3,,-1\n'
    )


def test_files_of_an_earlier_rendering_never_grow_stale(command: Command, tmp_path: Path) -> None:
    records, folder = tmp_path / "records", tmp_path / "leaderboards"
    records.mkdir()
    for number, record in enumerate(example()):
        (records / f"{number}.json").write_text(json.dumps(record))
    assert command("leaderboard", tmp_path, "--format", "csv,tex").status == 0
    assert "61.0" in (folder / "leaderboard" / "tier-lite-labels-1-8-scores.csv").read_text()
    (folder / "notes.csv").write_text("mine")
    (folder / "cost.html").write_text("mine")
    for number, record in enumerate(example()):
        record["cell"]["tier"] = "smoke"
        (records / f"{number}.json").write_text(json.dumps(record))
    assert command("leaderboard", tmp_path).status == 0
    found = [json.loads(path.read_text()) for path in records.iterdir()]
    expected = render(found, ["md", "csv", "tex"], claims=load_registry().claims)
    (folder / ".made-from.json").unlink()
    written = {
        str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()
    }
    assert written == {**expected, "notes.csv": "mine", "cost.html": "mine"}


OWN = ("README.md", "references.bib", "runs.csv", "comparison/tier-lite-labels-1-8-labels.tex")


@pytest.mark.parametrize("name", OWN)
def test_no_file_that_another_wrote_is_replaced(name: str, command: Command, tmp_path: Path) -> None:
    for number, record in enumerate(example()):
        (tmp_path / f"{number}.json").write_text(json.dumps(record))
    folder = tmp_path / "paper"
    (folder / "comparison").mkdir(parents=True)
    (folder / name).write_text("mine")
    arguments = ("leaderboard", tmp_path, "--out", folder, "--format", "md,csv,tex")
    said = command(*arguments)
    assert said.status == 2
    assert f"{folder / name}: not written by ssl-bench" in said.err
    assert [path for path in folder.rglob("*") if path.is_file()] == [folder / name]
    # Beside tables of ours, nor is anything that has the form of one removed.
    (folder / name).unlink()
    (folder / "comparison" / "prices.tex").write_text("mine")
    (folder / "metrics").mkdir()
    (folder / "metrics" / "other.csv").write_text("Methods,mine")
    assert command(*arguments).status == 0
    assert command(*arguments).status == 0
    assert (folder / "comparison" / "prices.tex").read_text() == "mine"
    assert (folder / "metrics" / "other.csv").read_text() == "Methods,mine"


def test_a_folder_of_an_earlier_version_is_taken(command: Command, tmp_path: Path) -> None:
    for number, record in enumerate(example()):
        (tmp_path / f"{number}.json").write_text(json.dumps(record))
    folder = tmp_path / "leaderboards"
    arguments = ("leaderboard", tmp_path, "--format", "md,html,csv,tex")
    assert command(*arguments).status == 0
    written = {path for path in folder.rglob("*") if path.is_file()}
    # It kept no list.
    (folder / ".made-from.json").unlink()
    stale = folder / "cost" / "tier-smoke-labels-1-8-cost.tex"
    stale.write_text((folder / "cost" / "tier-lite-labels-1-8-night-image-enhancement-cost.tex").read_text())
    (folder / "cost" / "prices.csv").write_text("mine")
    assert command(*arguments).status == 0
    assert {path for path in folder.rglob("*") if path.is_file()} == {
        *written,
        folder / "cost" / "prices.csv",
    }
    # What is none of ours stays there, too.
    (folder / ".made-from.json").unlink()
    (folder / "cost.md").write_text("# Costs of the project\n")
    assert command(*arguments).status == 2
    assert (folder / "cost.md").read_text() == "# Costs of the project\n"


def test_html_is_tables_with_heads_and_values() -> None:
    page = Parsed(render(example(), ["html"])["leaderboard.html"])
    tags = [tag for tag, _ in page.elements]
    assert tags.count("table") == 4
    assert page.texts["h2"] == ["Tier lite, labels 1/8", "Notes", "References"]
    assert page.texts["th"][:3] == ["Methods", "", "Semantic Segmentation, mIoU (%) ↑"]
    assert page.texts["strong"] == ["65.00 ± 2.00"]
    cells = [attributes for tag, attributes in page.elements if tag == "td" and "data-value" in attributes]
    assert cells[0] == {"data-value": "61.0"}
    scopes = [attributes.get("scope") for tag, attributes in page.elements if tag == "th"]
    assert scopes[:7] == ["col"] * 6 + ["row"]


def test_no_name_breaks_out_of_html() -> None:
    files = render(hostile(), ["html"])
    for name, text in files.items():
        assert not set(text) & {"\x1b", "\u202e"}, name
    del files["runs.csv"]
    for name, text in files.items():
        page = Parsed(text)
        allowed = {
            "h1",
            "h2",
            "h3",
            "p",
            "ul",
            "ol",
            "li",
            "table",
            "caption",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        }
        assert {tag for tag, _ in page.elements} <= allowed | {"strong", "code", "i", "sub", "sup", "span"}, (
            name
        )
        assert {key for _, attributes in page.elements for key in attributes} <= {
            "scope",
            "data-value",
            "class",
        }


def test_no_name_becomes_a_formula_of_a_spreadsheet() -> None:
    files = render(hostile(), ["csv"])
    for name, text in files.items():
        rows = list(csv.reader(io.StringIO(text)))
        assert len({len(row) for row in rows}) == 1, name
        for field in (field for row in rows for field in row):
            assert not field.startswith(("=", "+", "@", "-")) or re.fullmatch(r"[-+]?[0-9.e-]+", field)
    assert all(re.fullmatch(r"[a-z]+/[a-z0-9-]+\.csv|runs\.csv", name) for name in files)
    assert any("'=1+1" in text for text in files.values())


def test_formulas_in_html_and_latex() -> None:
    assert formula_html(r"\lambda_{Adv}^l") == "<i>λ<sub>Adv</sub><sup>l</sup></i>"
    assert formula_html(r"\xi") == "<i>ξ</i>"
    assert formula_html("<b>_{<}") == "<i>&lt;b&gt;<sub>&lt;</sub></i>"
    assert formula_latex(r"\lambda_{Adv}^l") == r"$\lambda_{Adv}^l$"
    assert formula_latex(r"\input{x}") == r"\textbackslash{}input\{x\}"
    assert formula_latex("a}$b") == r"a\}\$b"
    assert formula_latex("a_") == r"a\_"


def test_latex_escapes() -> None:
    assert escape_latex("50 % & a_b #1 {x} $ ~ ^ \\") == (
        r"50 \% \& a\_b \#1 \{x\} \$ \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert escape_latex("mIoU (%) ↑ é ł a--b [1]") == (
        r"mIoU (\%) $\uparrow$ \'{e} \texttt{U+0142} a-{}-b {[}1{]}"
    )


def test_latex_is_a_file_a_table() -> None:
    files = render(example(), ["tex"])
    scores = files["leaderboard/tier-lite-labels-1-8-scores.tex"]
    for name, text in files.items():
        if name.endswith(".tex"):
            assert text.count(r"\begin{table}") == text.count(r"\toprule") == text.count(r"\label{") == 1, (
                name
            )
            assert "section*" not in text
    # Metrics stand in the head and the number of runs in the caption, once.
    assert r"& Semantic Segmentation & Real Image Denoising &" in scores
    assert r" & mIoU (\%) $\uparrow$ & PSNR (dB) $\uparrow$ &" in scores
    (caption,) = (line for line in scores.splitlines() if line.startswith(r"\caption"))
    made = r"8 labelled, 56 unlabelled images, \texttt{unet-small}, 600 iterations, n = 3"
    assert caption.startswith(
        rf"\caption{{Tier lite, labels 1/8. $n = 3$. Semantic Segmentation: synthetic, {made}. "
    )
    assert caption.endswith(rf"Night Image Enhancement: synthetic, {made}.}}")
    for path in (
        "comparison/tier-lite-labels-1-8-differences.tex",
        "metrics/tier-lite-labels-1-8-night-image-enhancement-metrics.tex",
    ):
        assert rf" Night Image Enhancement: synthetic, {made}.}}" in files[path]
    assert r"SupOnly & 61.00 $\pm$ 1.00 & 30.30 $\pm$ 0.30 &" in scores
    assert r"\textbf{65.00 $\pm$ 2.00} (+4.00)" in scores
    assert r"30.10 $\pm$ 0.10 ($-$0.20)" in scores
    assert (
        r"\caption{Tier lite, labels 1/8. Settings}" in files["leaderboard/tier-lite-labels-1-8-settings.tex"]
    )


def test_a_turned_table_says_what_its_scores_are() -> None:
    records = []
    for number, method in itertools.product(range(8), ("supervised", "mt")):
        metric = {"name": "m", "symbol": "SAD" if number % 2 else "PSNR", "higher_is_better": not number % 2}
        changes = {"cell__task": f"t{number}", "describe__task__title": f"Task {number}"}
        changes |= {"describe__task__metrics": [metric], "metrics": {"m": 10.0 + number}}
        records.append(make("night", method, 0, None, **changes))
    scores = render(records, ["tex"])["leaderboard/tier-lite-labels-1-8-scores.tex"]
    assert r"Methods & SupOnly & MT~\cite{tarvainen2017} \\" in scores
    assert r"Task 0, PSNR $\uparrow$ & 10.00 & 10.00 (+0.00) \\" in scores
    assert r"Task 7, SAD $\downarrow$ & 17.00 & 17.00 (+0.00) \\" in scores
    assert scores.count(r" \\") == 9


def test_latex_cites_what_the_bibliography_holds() -> None:
    first, second = (make("night", name, 0, 1.0) for name in ("supervised", "mt"))
    first["describe"]["method"]["reference"] = "Tarvainen, A.: Another thing. In: NeurIPS (2017)"
    second["describe"]["method"]["reference"] = (
        "Tarvainen, A., Valpola, H.: Mean & {teachers}. In: NeurIPS (2017)"
    )
    files = render([first, second], ["tex"])
    text = files["leaderboard/tier-lite-labels-1-8-scores.tex"]
    assert r"SupOnly~\cite{tarvainen2017b} &" in text
    assert r"MT~\cite{tarvainen2017} &" in text
    entry = files["references.bib"].split("\n\n")[0] + "\n"
    assert entry == (
        "@inproceedings{tarvainen2017,\n"
        "  title = {{Mean \\& \\{teachers\\}}},\n"
        "  author = {Tarvainen, A. and Valpola, H.},\n"
        "  booktitle = {NeurIPS},\n"
        "  year = {2017},\n}\n"
    )
    assert cite_keys(["No paper, only words", "Words: 1"]) == {
        "No paper, only words": "no",
        "Words: 1": "words",
    }
    for given, written in (
        ("Smith, J., Doe, K., et al.", "Smith, J. and Doe, K. and others"),
        ("Zhai, X. et al.", "Zhai, X. and others"),
        ("Smith, J., The Team", "Smith, J., The Team"),
        ("The Team", "The Team"),
        ("The Team et al.", "The Team and others"),
    ):
        assert f"  author = {{{written}}},\n" in render_bibliography([f"{given}: A. In: B (2020)"])
    assert render_bibliography(["An idea, told"]) == "@misc{an,\n  title = {{An idea, told}},\n}\n"


def test_what_is_missing_is_no_minus() -> None:
    grid = Grid("x", [cell("a"), cell("b")], [[cell("m"), missing()], [cell("k"), figure("-1.0 (n=2)", n=2)]])
    text = render_latex(grid, "T", "t", [])
    assert "m & ---" in text
    assert r"k & $-$1.0 \\" in text
    assert "$n = 2$" in text
    mixed = Grid("x", [cell("a")], [[figure(f"{n} (n={n}, +1)", n=n)] for n in (3, 3, 1)])
    text = render_latex(mixed, "", "t", [])
    assert "$n = 3$ where no other is given" in text
    assert text.count("3 (+1)") == 2
    assert "1 (n=1, +1)" in text


def test_every_run_and_metric_is_a_row() -> None:
    record = make("night", "mt", 3, 30.1234567890123)
    record["metrics"]["extra/=x"] = 0.5
    rows = list(csv.DictReader(io.StringIO(render([record], [])["runs.csv"])))
    assert [row["metric"] for row in rows][:: len(rows) - 1] == ["psnr", "extra/=x"]
    assert rows[0]["score"] == "30.123456789"
    assert (rows[0]["ranks"], rows[-1]["ranks"], rows[-1]["higher_is_better"]) == ("1", "0", "")
    assert {row["seed"] for row in rows} == {"3"}
    assert {row["cell"] for row in rows} == {record["cell"]["id"]}


DIFFERENT: list[tuple[str, Any]] = [
    ("cell__dataset", "lol"),
    ("cell__data", "e1e1e1e1e1e1"),
    ("cell__backbone", "hdrnet"),
    ("cell__pretrained", "published"),
    ("cell__execution", {"precision": "bf16"}),
    ("cell__tier", "smoke"),
    ("cell__threads", 2),
    ("cell__seed", 1),
    ("cell__split__hash", "0ther0ther00"),
    ("config__recipe", {"iterations": 601, "crop": 64}),
    ("config__recipe", {"iterations": 600, "crop": 65}),
    ("config__method", {"tau": 0.5}),
    ("config__method", {"learning_rate_factor": 2.0}),
    ("providers__task", "ssl-bench 0.2.0"),
    ("providers__method", "pi 1.0"),
]


@pytest.mark.parametrize(("path", "value"), DIFFERENT)
def test_two_runs_are_told_apart_without_their_scores(path: str, value: Any) -> None:
    records = recorded([make("night", "mt", 0, 18.0), make("night", "mt", 0, 19.0, **{path: value})])
    rows = list(csv.reader(io.StringIO(render(records, [])["runs.csv"])))
    assert len({tuple(row[: rows[0].index("metric")]) for row in rows[1:]}) == 2
    described = [name for name in COLUMNS if name not in ("cell", "metric", "score", "seconds")]
    frame = frame_of(records)
    assert list(frame.groupby(described).score.count()) == [1, 1]


def test_no_metric_takes_the_place_of_a_column() -> None:
    metrics = {"method": 7.0, "seconds": 8.0, "psnr": 9.0}
    words = [{"name": name, "symbol": name} for name in metrics]
    record = make("night", "mt", 0, 1.0, metrics=metrics, describe__task__metrics=words, cell__seed=None)
    frame = frame_of(recorded([record, make("night", "mt", 0, 1.0, cell__seed=None, cell__split__seed=None)]))
    row = frame.iloc[0]
    assert (row.method, row.score, row["metric method"], row.psnr) == ("mt", 7.0, 7.0, 9.0)
    assert (row.seconds, row["metric seconds"]) == (10.0, 8.0)
    assert frame.seed.isna().all()


def test_a_choice_of_tasks_methods_and_metrics() -> None:
    records = example()
    kept = chosen(records, tasks=["NIGHT"])
    assert {record.cell.task for record in kept} == {"night"}
    (grid,) = scores(render(records, choice=Choice(["NIGHT"], ["SupOnly", "mt"]))["leaderboard.md"])
    assert [line[0] for line in grid] == ["Methods", "SupOnly", "MT [1]"]
    assert chosen(records) == recorded(records)
    (reversed_record,) = chosen([kept[0]], metrics=["other", "psnr"])
    names = [metric.name for metric in reversed_record.describe.task.metrics]
    assert names == ["other", "psnr"]
    assert reversed_record.best is None
    for option, name in (("tasks", "nights"), ("methods", "gtc"), ("metrics", "pnsr")):
        with pytest.raises(UsageError, match=f"unknown --{option} '{name}'"):
            chosen(records, **{option: [name]})


def test_a_metric_that_some_records_lack_is_not_mixed_with_another() -> None:
    psnr, sad = (
        {"name": name, "symbol": name.upper(), "higher_is_better": name == "psnr", "digits": 1}
        for name in ("psnr", "sad")
    )
    records = []
    for method, found in {"supervised": (10.0, 5.0), "mt": (30.0, None), "full": (40.0, 2.0)}.items():
        for seed in range(2):
            metrics = {"psnr": found[0] + seed} | ({"sad": found[1] - seed / 2} if found[1] else {})
            words = [psnr, sad] if found[1] else [psnr]
            more = {"describe__task__metrics": words, "best": {"metrics": {"psnr": 50.0}}}
            records.append(make("night", method, seed, None, metrics=metrics, **more))
    kept = chosen(records, metrics=["SAD"])
    assert {tuple(one.name for one in record.describe.task.metrics) for record in kept} == {("sad",)}
    files = render(kept, ["md", "csv"], oracle=True)
    main, best, *_ = grids(files["leaderboard.md"])
    assert main[2] == ["MT [1]", "SAD ↓", "-"]
    # What was best by another metric is not that by this one.
    assert [line[2] for line in best[1:]] == ["-"] * 3
    assert grids(files["metrics.md"])[0][0] == ["Methods", "SAD ↓"]
    assert chosen(records[::-1], metrics=["sad"]) == kept[::-1]
    # By the first metric of the column's records, too: one of them may have another first metric.
    records[3]["describe"]["task"]["metrics"] = [sad, psnr]
    records[3]["metrics"]["sad"] = 9.0
    main, best, share, *_ = grids(render(records, ["md"], oracle=True)["leaderboard.md"])
    assert "30.5 ± 0.7" in main[2][2]
    assert share[1][2] == "+67 %"
    assert best[2][2] == "*50.0 (+20.0)*"


def test_what_is_left_out_is_said_to_be(command: Command, tmp_path: Path) -> None:
    for number, record in enumerate(example()):
        (tmp_path / f"{number}.json").write_text(json.dumps(record))
    said = command(
        "leaderboard", tmp_path, "--methods", "supervised,mt", "--tasks", "night", "--metrics", "psnr"
    )
    told = (
        "Of the records these alone are shown: tasks night; methods supervised, mt; metrics psnr. What stands is "
        "judged with the other methods, too."
    )
    assert told in " ".join(said.out.split())
    folder = tmp_path / "leaderboards"
    assert f"# Leaderboards\n\n{told}\n" in (folder / "README.md").read_text()
    assert f"# Leaderboard\n\n{told}\n" in (folder / "leaderboard.md").read_text()
    assert "every run that is shown, a row per metric" in (folder / "README.md").read_text()
    assert "Full" not in (folder / "cost.md").read_text()
    assert {row["method"] for row in csv.DictReader((folder / "runs.csv").open())} == {"supervised", "mt"}
    # Labels are told of, though the method that has all of them is not shown.
    assert "all labels add 1.80 dB" in (folder / "README.md").read_text()
    for line in (command("leaderboard", tmp_path).out, (folder / "README.md").read_text()):
        assert "these alone" not in line


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX")
def test_latex_compiles(tmp_path: Path) -> None:
    files = [text for records in (example(), hostile()) for text in render(records, ["tex"]).values()]
    tables = [text for text in files if r"\begin{table}" in text]
    (tmp_path / "main.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs,graphicx,xcolor}\n"
        "\\begin{document}\n" + "\\clearpage\n".join(tables) + "\n\\end{document}\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "main.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_format_is_the_same_for_any_order() -> None:
    records = [*example(), *hostile()]
    assert render(records, FORMATS) == render(records[::-1], FORMATS)
    assert {name.rpartition(".")[2] for name in render(records, FORMATS)} == {*FORMATS, "bib"}


def test_greyed_text_in_every_format() -> None:
    grid = Grid("x", [cell("a")], [[Cell((Span("1.0", "faint"),))]])
    assert '<th scope="row"><span class="faint">1.0</span></th>' in render_html([grid])
