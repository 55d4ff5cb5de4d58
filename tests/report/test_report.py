"""The page of all records: whole, self-contained, escaped, usable; in a browser where there is one."""

import base64
import html
import io
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Said
from PIL import Image
from test_formats import Parsed, hostile
from test_leaderboard import Change, example, make
from test_more_tables import at
from test_reported import CLAIM
from written import make_report

from ssl_bench.cli.report import link
from ssl_bench.figures.labels import box_of, place_labels
from ssl_bench.figures.svg import Axis, linear, logarithmic, number, numbers
from ssl_bench.report.charts import pareto_front
from ssl_bench.report.gallery import Gallery, Panel, Picture
from ssl_bench.report.runs import runs_json
from ssl_bench.store.record import Record

Command = Callable[..., Said]


class Page(Parsed):
    """A page with its doctype."""

    handle_decl = lambda self, decl: None  # noqa: E731


def rich() -> list[Change]:
    """Several numbers of labels, curves, times and a choice made on test data."""
    records = []
    for place, method in enumerate(("supervised", "mt", "gct")):
        for labels in (16, 32, 64):
            for seed in range(2):
                record = at("night", method, seed, 10.0 + labels / 8 + place + seed, labels)
                record["cost"] = {"seconds": 60.0 * (1 + place), "parameters": 1e6}
                record["curves"] = {"model/task": [1.0, 0.5, None, 0.25], "model/extra": [place, place * 0.1]}
                record["best"] = {"metrics": {"psnr": 40.0}}
                records.append(record)
    return [*records, at("night", "full", 0, 30.0, 128)]


def linked(records: list[Change]) -> list[tuple[str, Change]]:
    return [(f"cells/{number}/result.json", record) for number, record in enumerate(records)]


def data_of(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="runs-data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_a_page_is_whole_and_needs_no_network() -> None:
    text = make_report(linked(rich()), claims=[CLAIM])
    page = Page(text)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("h1") == 1
    assert page.texts["h2"] == [
        *("Leaderboard", "Comparison", "Metrics", "Label efficiency", "Cost", "Reported"),
        *("Hyper-parameters", "Curves", "Records"),
    ]
    assert not {"link", "img", "iframe", "object", "base", "form"} & set(tags)
    links = [v for _, attributes in page.elements for k, v in attributes.items() if k in ("href", "src")]
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert links
    assert {str(target)[1:] for target in links} <= set(ids)
    assert len(ids) == len(set(ids))
    assert "default-src 'none'" in text
    assert not re.findall(r"https?:|url\(|@import", text)


def test_headings_go_down_one_level_at_a_time_and_everything_is_named() -> None:
    page = Page(make_report(linked(rich())))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = {attributes.get("id") for _, attributes in page.elements}
    regions = []
    for tag, attributes in page.elements:
        if tag == "svg" and attributes.get("role") == "img":
            assert set(str(attributes["aria-labelledby"]).split()) <= ids
        elif tag == "svg":
            assert attributes["aria-hidden"] == "true"
        if attributes.get("role") == "region":
            assert attributes["tabindex"] == "0"
            regions.append(attributes["aria-label"])
        if tag == "th":
            assert attributes["scope"] in ("col", "row")
    assert len(regions) == len(set(regions)) > 5
    assert ("html", {"lang": "en"}) in page.elements
    assert any(attributes.get("name") == "viewport" for _, attributes in page.elements)


def test_charts_show_what_the_tables_say() -> None:
    page = Page(make_report(linked(rich())))
    said = page.texts["desc"]
    assert any(
        text.startswith("SupOnly: 12.5 at 16, 14.5 at 32, 18.5 at 64; MT: 13.5 at 16") for text in said
    )
    assert any(
        text.endswith("The line joins what is above all that is cheaper: SupOnly, MT, GCT.") for text in said
    )
    assert any("SupOnly, model: 0.25 at the end" in text for text in said)
    records = [*rich(), *rich()]
    for record in records[19:]:
        record["cell"]["seed"] += 2
        record["cost"]["seconds"] = 900.0
    # Of the fastest run: others may have shared the machine.
    text = make_report(linked(records))
    assert any(one.startswith("SupOnly: 60.0 s, 12.5; MT: 2.0 min, 13.5") for one in Page(text).texts["desc"])
    assert "seconds of the fastest run" in text
    assert sum(title.startswith("Night Image Enhancement: loss term") for title in page.texts["title"]) == 6
    assert "No curves were recorded." in make_report(linked(example()))


def test_the_page_opens_with_gains_and_their_intervals() -> None:
    text = make_report(linked(example()))
    opening = text.partition("<nav")[0]
    figures = re.findall(r'<svg viewBox="0 0 420 \d+".*?</svg>', opening, re.DOTALL)
    assert len(figures) == 4  # A column each.
    first = figures[0]
    assert "Semantic Segmentation: gain over SupOnly" in first
    assert "MT: 4 [1.516, 6.484] (n=3); Full: 14.5 [13.26, 15.74] (n=3)" in html.unescape(first)
    assert "difference to SupOnly, mIoU (right is better)" in first
    marks = re.findall(r'<circle class="mark" cx="([0-9.]+)"', first)
    assert float(marks[0]) < float(marks[1])
    # What does not stand is hollow; a single pair has no bar.
    denoising = figures[1]
    assert denoising.count('class="s0 hollow"') == 1
    alone = make_report(linked([make("night", "supervised", 0, 18.0), make("night", "mt", 0, 19.0)]))
    figure = re.search(r'<svg viewBox="0 0 420 \d+".*?</svg>', alone.partition("<nav")[0], re.DOTALL)
    assert figure
    assert "MT: 1 (n=1)" in figure[0]
    assert 'class="bar"' not in figure[0]
    nobody = make_report(linked([make("night", "mt", 0, 19.0)]))
    assert "<svg" not in nobody.partition("<nav")[0]


def test_every_row_is_drawn_and_filled_where_the_column_ranks() -> None:
    def figure(bound: float) -> str:
        records = [
            make("night", "mt", seed, 19.0 + weight + seed / 9, config__method={"lambda_mt": float(weight)})
            for weight in range(20)
            for seed in range(3)
        ]
        for method, score in (("supervised", 18.0), ("full", bound)):
            records += [make("night", method, seed, score + seed / 10) for seed in range(3)]
        found = re.search(r'<svg viewBox="0 0 420 \d+".*?</svg>', make_report(linked(records)), re.DOTALL)
        assert found
        return found[0]

    ranked, not_ranked = figure(25.0), figure(18.0)
    assert ranked.count('class="mark"') == not_ranked.count('class="mark"') == 21
    # Gains of 1 and more, over seeds that differ by a tenth: all stand.
    assert ranked.count("hollow") == 0
    assert not_ranked.count("hollow") == 21


def test_the_control_is_no_choice_among_methods() -> None:
    records = rich()
    for record in records:
        if record["cell"]["method"] == "gct":
            record["describe"]["method"]["role"] = "control"
    page = Page(make_report(linked(records)))
    assert any(
        text.endswith("what is above all that is cheaper: SupOnly, MT.") for text in page.texts["desc"]
    )


def test_no_name_breaks_out_of_the_page() -> None:
    records = []
    for record in map(Record.of, hostile()):
        # A file with such a name of a cell is refused; the page does not rely on that.
        named = record.cell.replaced(id="</script><script>alert(1)</script>")
        curves = {"</svg><script>x</script>/<b>": [1.0, 2.0]}
        records.append(record.replaced(cell=named, curves=curves))
    text = make_report([("a%3Cb.json", record) for record in records])
    page = Page(text)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 2
    assert not {"img", "b", "iframe"} & set(tags)
    assert not [k for _, attributes in page.elements for k in attributes if k.startswith("on")]
    assert not set(text) & {"\x1b", "\u202e", "\u2028"}
    (methods,) = (column for column in data_of(text)["columns"] if column["title"] == "Method")
    assert methods["texts"][0].startswith("a|b `c` [x](javascript:1) <img src=x> ## *H*")


def test_the_data_of_ten_thousand_rows_stays_small() -> None:
    def size(seeds: int) -> int:
        return len(make_report(linked([make("night", "mt", seed, 18.0 + seed / 7) for seed in range(seeds)])))

    assert (size(400) - size(200)) / 200 < 120
    records = [make("night", "mt", 0, 18.0, cell__data=f"{number:012d}") for number in range(60)]
    page = Page(make_report(linked(records)))
    assert page.texts["h3"].count("Notes") == 1


def test_rows_are_in_one_order_and_texts_stand_once() -> None:
    records = [make("night", "mt", seed, score) for seed, score in ((10, 1.0), (9, None))]
    assert make_report(linked(records)) == make_report(linked(records)[::-1])
    data = data_of(make_report([("", records[0]), ("", records[1])]))
    columns = {column["title"]: column for column in data["columns"]}
    assert columns["Seed"]["texts"] == ["9", "10"]
    assert columns["Score"]["numbers"] == [None, 1.0]
    assert columns["Method"] == {"title": "Method", "texts": ["MT"], "rows": [0, 0]}
    assert json.loads(runs_json([]))["links"] == []
    assert "No finished runs yet." in make_report([])


def test_the_front_by_hand() -> None:
    points = [(3.0, 9.0), (1.0, 5.0), (2.0, 4.0), (2.0, 7.0), (4.0, 9.0)]
    assert pareto_front(points, higher_is_better=True) == [1, 3, 0]
    assert pareto_front(points, higher_is_better=False) == [1, 2]
    assert pareto_front([], higher_is_better=True) == []
    # 1 and 3 cannot be told apart, 1 and 0 can.
    assert pareto_front(points, higher_is_better=True, apart=lambda one, other: one != 3) == [1, 0]


def test_no_front_is_drawn_between_equals() -> None:
    gains = {"supervised": (0.0, 0.0, 0.0), "mt": (2.0, -1.0, 0.5), "gct": (0.2, 0.9, -0.6)}
    records = []
    for place, (method, of_seeds) in enumerate(gains.items()):
        for seed, gain in enumerate(of_seeds):
            record = make("night", method, seed, 20.0 + gain)
            record["cost"] = {"seconds": 60.0 * (1 + place)}
            records.append(record)
    text = make_report(linked(records))
    assert 'class="front"' not in text
    assert any(
        said.endswith("nothing is above what is cheaper at 95 %.") for said in Page(text).texts["desc"]
    )
    assert 'class="front"' in make_report(linked(rich()))


def test_runs_without_a_score_have_no_chart() -> None:
    records = [at("night", "mt", 0, None, count) for count in (4, 8)]
    page = make_report([("", record) for record in records])
    assert "<svg" not in page
    assert ">Label efficiency</h2>" in page


def test_numbers_of_other_sets_are_not_shown() -> None:
    elsewhere = replace(CLAIM, dataset="another")
    records = [at("night", "mt", 0, 20.0, 16)]
    assert CLAIM.source not in make_report(linked(records), claims=[elsewhere])


def test_names_cover_neither_each_other_nor_a_point() -> None:
    points = [(100.0, 50.0), (103.0, 52.0), (100.0, 66.0), (410.0, 50.0), (300.0, 150.0)]
    places = place_labels(points, ["SupOnly", "Full", "MT", "AdvSSL", "GCT"], 56, 420)
    boxes = [
        box_of(place, name)
        for place, name in zip(places, ["SupOnly", "Full", "MT", "AdvSSL", "GCT"], strict=True)
    ]
    boxes += [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    for first, second in itertools.combinations(boxes[:5], 2):
        assert (
            first[2] <= second[0] or second[2] <= first[0] or first[3] <= second[1] or second[3] <= first[1]
        )
    assert places[3][2] == "end"
    assert places[4] == (306.0, 165.0, "start")


def test_two_networks_of_one_method_are_told_apart() -> None:
    record = make("night", "gct", 0, 18.0)
    record["curves"] = {"first/task": [1.0, 0.5], "second/task": [1.0, 0.4], "detector/flaw": [1.0, 0.2]}
    dashes = re.findall(r'<path class="line" d="M\d[^"]*L[^"]*"([^/]*)/>', make_report([("", record)]))
    assert len(dashes) == 3
    assert len(set(dashes)) == 2


def test_axes_have_round_ticks_within_their_range() -> None:
    assert linear("", [0.0, 10.0]).ticks == pytest.approx([0, 2.5, 5, 7.5, 10])
    assert logarithmic("", [16, 64], [16, 32, 64]).ticks == [16, 32, 64]
    assert logarithmic("", [1.0, 1000.0]).ticks == [1, 10, 100, 1000]
    for values in ([5.0], [0.0, 0.0], [-3.0, 1e-9], [1e-12, 1e12]):
        axis = linear("", values)
        assert axis.ticks
        assert all(0 <= axis.place(value) <= 1 for value in [*values, *axis.ticks])
    assert Axis("", 1, 100, [], True).place(10) == pytest.approx(0.5)
    assert [number(value) for value in (0.1 + 0.2, 25.0, 1234567.0)] == ["0.3", "25", "1e+06"]


def test_ticks_say_where_they_stand() -> None:
    assert numbers([25.115, 25.12, 25.125]) == ["25.115", "25.12", "25.125"]
    assert numbers([0.1 + 0.2, 0.4]) == ["0.3", "0.4"]
    assert numbers([1e5, 1.2e5]) == ["1e+05", "1.2e+05"]
    assert numbers([1e-4, 1.0]) == ["0.0001", "1"]
    assert numbers([]) == []


def test_links_lead_from_the_page_to_the_records(tmp_path: Path) -> None:
    assert link(tmp_path / "a b" / "c#d.json", tmp_path) == "a%20b/c%23d.json"
    assert link(tmp_path / "x.json", tmp_path / "y" / "z") == "../../x.json"
    assert link(tmp_path / "javascript:1.json", tmp_path) == "javascript%3A1.json"


def test_the_command(command: Command, tmp_path: Path) -> None:
    said = command("report", tmp_path)
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "no records below" in said.err
    (tmp_path / "cells").mkdir()
    for number_, record in enumerate(rich()):
        (tmp_path / "cells" / f"{number_}.json").write_text(json.dumps(record))
    assert command("report", tmp_path).status == 0
    text = (tmp_path / "report.html").read_text()
    assert data_of(text)["links"][0].startswith("cells/")
    assert "*40.00" not in text
    assert 'class="faint"' not in text
    assert command("report", tmp_path, "--oracle", "--out", tmp_path / "cells" / "page.html").status == 0
    other = (tmp_path / "cells" / "page.html").read_text()
    assert '<span class="faint">40.00' in other
    assert not any("/" in target for target in data_of(other)["links"])
    said = command("report", tmp_path, "--out", tmp_path / "nowhere" / "page.html")
    assert said.status == 2
    assert "must be a file in a folder that exists" in said.err


def gallery(pictures: int = 2) -> Gallery:
    """Flat pictures of 40 x 20 px, each panel in a grey of its own, under names that try to break out."""

    def uri(grey: int) -> str:
        buffer = io.BytesIO()
        Image.new("RGB", (40, 20), (grey,) * 3).save(buffer, format="PNG")
        return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"

    titles = ("Input", "Label", "SupOnly", "MT <b>")
    return Gallery(
        title="Night <i>",
        note='A note "x"',
        pictures=[
            Picture(
                f"<img src=x onerror=alert(1)>{number}",
                40,
                20,
                [Panel(title, "" if k < 2 else f"{k}.00", uri(50 * k)) for k, title in enumerate(titles)],
            )
            for number in range(pictures)
        ],
        left=2,
        right=3,
        classes=[("#ff0000", "<s>sky")],
    )


def test_galleries_are_images_with_words_for_them() -> None:
    text = make_report(linked(example()), galleries=[gallery()])
    page = Page(text)
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(images) == 8
    assert images[3]["alt"] == "<img src=x onerror=alert(1)>0: MT <b>"
    assert (images[3]["width"], images[3]["height"]) == ("40", "20")
    assert all(str(attributes["src"]).startswith("data:image/png;base64,") for attributes in images)
    assert not {"b", "i", "s"} & {tag for tag, _ in page.elements} - {"i"}
    assert "Pictures" in page.texts["h2"]
    assert "Night <i>" in page.texts["h3"]
    assert "Pictures" not in Page(make_report(linked(example()))).texts["h2"]
    assert not re.findall(r"https?:|url\(|@import", text)


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FAULTS = """
window.faults = [];
window.addEventListener("error", (event) => faults.push(event.message));
window.addEventListener("unhandledrejection", (event) => faults.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) => faults.push(event.blockedURI));
for (const name of ["error", "warn"]) console[name] = (...words) => faults.push(words.join(" "));
"""
SCRIPT = """
const out = {}, all = (what, where = document) => [...where.querySelectorAll(what)];
const runs = document.getElementById("runs");
const button = (text) => all("button", runs).find((b) => b.textContent === text);
const status = () => runs.querySelector("[role=status]").textContent;
const type = (input, text) => { input.value = text; input.dispatchEvent(new Event("input")); };
out.first = status(); button("Next").click(); out.second = status();
type(runs.querySelector("input"), "mt 18.79"); out.filtered = status();
type(runs.querySelector("input"), "no such thing"); out.none = status();
type(runs.querySelector("input"), ""); button("Score").click(); button("Score").click();
out.best = all("tbody tr", runs).slice(0, 2).map((row) => row.cells[3].textContent);
out.link = runs.querySelector("tbody a").getAttribute("href");
out.order = all("th[aria-sort]", runs).map((head) => [head.textContent, head.getAttribute("aria-sort")]);
const table = document.querySelector("[data-sortable] table");
all("button", table)[1].click(); all("button", table)[1].click();
out.rows = all("tbody tr", table).map((row) => row.cells[0].innerText);
out.live = document.getElementById("live").textContent;
const tasks = document.querySelector(".gallery"), edge = tasks.querySelector("input[type=range]");
const [left, right] = all("select", tasks), [under, over] = all(".split img", tasks);
const cut = () => getComputedStyle(over).clipPath;
out.sides = [left, right].map((select) => select.selectedOptions[0].textContent);
out.alts = [over.alt, under.alt]; out.text = tasks.querySelector(".sides").innerText;
out.labels = all("input, select", tasks).map((control) => control.labels[0].firstChild.textContent);
edge.focus(); out.focus = document.activeElement === edge;
edge.value = 25; edge.dispatchEvent(new Event("input"));
out.cut = cut(); out.spoken = edge.getAttribute("aria-valuetext");
left.value = 0; left.dispatchEvent(new Event("change")); out.changed = over.alt;
out.said = document.getElementById("live").textContent;
out.shown = over.src === all(".panels img", tasks)[0].src && over.naturalWidth === 40;
const split = tasks.querySelector(".split"), place = split.getBoundingClientRect();
split.setPointerCapture = () => {};
split.dispatchEvent(new PointerEvent("pointerdown", { clientX: place.left + 0.75 * place.width, buttons: 1 }));
out.dragged = edge.value; out.together = getComputedStyle(all(".over", tasks)[1]).clipPath;
out.asked = performance.getEntriesByType("resource").filter((entry) => !entry.name.startsWith("data:")).length;
out.faults = window.faults;
out.wide = document.documentElement.scrollWidth > window.innerWidth;
document.body.textContent = JSON.stringify(out);
"""


@pytest.mark.skipif(BROWSER is None, reason="no browser")
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    scores = {"supervised": 17.0, "mt": 18.0, "gct": 16.0}
    records = [
        make("night", method, seed, score + seed / 100)
        for method, score in scores.items()
        for seed in range(80)
    ]
    page = make_report(linked(records), galleries=[gallery()])
    page = page.replace("<style>", f"<script>{FAULTS}</script><style>", 1)
    page = page.replace("</body>", f"<script>{SCRIPT}</script></body>")
    (tmp_path / "page.html").write_text(page)
    shown = subprocess.run(
        [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900", "--dump-dom",
         f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "page.html").as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r"<body>(\{.*\})\s*</body>", shown.stdout, re.DOTALL)
    assert found, shown.stdout[-500:]
    out = json.loads(html.unescape(found[1]))
    assert out == {
        "first": "Rows 1 to 100 of 240",
        "second": "Rows 101 to 200 of 240",
        "filtered": "Rows 1 to 1 of 1",
        "none": "Rows 0 to 0 of 0",
        "best": ["18.79", "18.78"],
        "link": "cells/159/result.json",
        "order": [["Score", "descending"]],
        "rows": ["MT\u00a0[1]", "SupOnly", "GCT\u00a0[2]"],
        "live": "Sorted by Night Image Enhancement, descending",
        "sides": ["SupOnly", "MT <b>"],
        "alts": ["<img src=x onerror=alert(1)>0: SupOnly", "<img src=x onerror=alert(1)>0: MT <b>"],
        "text": "SupOnly 2.00\nMT <b> 3.00",
        "labels": ["Left", "Right", "Edge"],
        "focus": True,
        "cut": "inset(0px 75% 0px 0px)",
        "spoken": "25 % SupOnly, 75 % MT <b>",
        "changed": "<img src=x onerror=alert(1)>0: Input",
        "said": "Input to the left, MT <b> to the right",
        "shown": True,
        "dragged": "75",
        "together": "inset(0px 25% 0px 0px)",
        "asked": 0,
        "faults": [],
        "wide": False,
    }
