"""What a run says while it goes on."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TextColumn

from ssl_bench.plan.cell import Cell
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.run import display as shown
from ssl_bench.run.display import LiveDisplay, PlainDisplay, terminal_display
from ssl_bench.run.lines import Whole, shortened
from ssl_bench.store.outcomes import Outcome
from ssl_bench.store.record import Progress

STATE = Progress(step=3, iterations=12, seconds=6.0, loss=0.5)
LOG = Path("no-such-log.txt")


@pytest.fixture(scope="module")
def cell() -> Cell:
    return make_plan(load_registry(), Request(tasks="night", methods="mt", control=False)).cells[0]


def cells_like(cell: Cell, count: int) -> list[Cell]:
    """Others with the same long title but for their seed."""
    return [replace(cell, seed=seed, trial="fold 1") for seed in range(count)]


def test_lines_tell_what_is_at_work(cell: Cell, capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(seconds=0)
    display.start(5, 2)
    display.progress([])
    display.progress([(cell, STATE)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "  all cells: 2/5, no cell at work now, 3 to go",
        f"  {cell.title}: step 3/12, loss 0.5, 18 s left",
        "  all cells: 2/5, 0 s left",
    ]
    display.seconds = 60
    display.progress([])
    assert capsys.readouterr().out == ""


def test_bars_tell_what_is_at_work(cell: Cell) -> None:
    columns = TextColumn("{task.description}"), TextColumn("{task.fields[note]}")
    display = LiveDisplay(Bars(*columns, console=Console(file=io.StringIO())))
    display.start(5, 2)
    notes = [display.bars.tasks[0].fields["note"]]
    for running in ([], [(cell, STATE)]):
        display.progress(running)
        notes.append(display.bars.tasks[0].fields["note"])
    assert notes == ["2/5", "2/5, no cell at work now, 3 to go", "2/5, 0 s left"]
    assert display.bars.tasks[1].description == cell.title
    assert (display.bars.tasks[1].completed, display.bars.tasks[1].total) == (3, 12)


def test_the_time_left_for_all_is_known_from_the_first_step_on(cell: Cell) -> None:
    whole = Whole(6, 2)
    assert str(whole) == "2/6"
    whole.look([(cell, STATE), (cell, STATE)])
    whole.began -= 10
    # Half a cell of four took 10 s.
    assert str(whole) == "2/6, 70 s left"
    whole.done, whole.share = 6, 0.0
    assert str(whole) == "6/6"


def test_what_goes_on_is_named(cell: Cell, capsys: pytest.CaptureFixture[str]) -> None:
    cells = cells_like(cell, 6)
    PlainDisplay().going_on(cells)
    assert capsys.readouterr().out == (
        "from a checkpoint go on " + ", ".join(one.title for one in cells[:4]) + " and 2 more\n"
    )


@pytest.mark.parametrize(
    ("title", "width", "short"),
    [
        ("night · mt · 4 labels · seed 0", 40, "night · mt · 4 labels · seed 0"),
        ("night · mt · fold 1 · 10 labels · seed 0", 30, "night · mt · fold 1 · seed 0"),
        ("night · mt · fold 1 · 10 labels · seed 0", 20, "night · mt · seed 0"),
        ("a-very-long-name · mt · seed 0", 12, "a-very-long…"),
    ],
)
def test_titles_are_shortened_from_within(title: str, width: int, short: str) -> None:
    assert shortened(title, width) == short


class Terminal(io.StringIO):
    """What stands on a terminal after all that was written to it, which bars go back in."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        rows, row = [""], 0
        for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", self.getvalue()):
            if part == "\n":
                row += 1
                rows += [""] * (row - len(rows) + 1)
            elif part == "\x1b[1A":
                row -= 1
            elif part == "\x1b[2K":
                rows[row] = ""
            elif part[0] not in "\r\x1b":
                rows[row] += part
        return rows


@pytest.mark.parametrize("columns", [60, 100, 160])
def test_cells_that_end_together(cell: Cell, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    terminal, widest = Terminal(), 0
    monkeypatch.setattr(shown.sys, "stdout", terminal)
    for name, value in {"COLUMNS": str(columns), "LINES": "40", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    cells = cells_like(cell, 5)
    with terminal_display() as display:
        display.start(5, 0)
        flights = cells[:3]
        display.progress([(one, STATE) for one in flights])
        display.bars.refresh()
        bars = [row for row in terminal.screen() if "step 3/12" in row]
        assert len(bars) == 3
        assert any("all cells" in row and "left" in row for row in terminal.screen())
        widest = max(map(len, terminal.screen()))
        for one in flights:
            display.ended(one, Outcome(one.id, "failed", "it did not go well", 1.0), None, LOG)
        display.progress([(one, STATE) for one in cells[3:]])
        display.bars.refresh()
        assert len([row for row in terminal.screen() if "step 3/12" in row]) == 2
        # What another command took over is in flight no more.
        display.progress([(cells[3], STATE)])
        display.bars.refresh()
        assert len([row for row in terminal.screen() if "step 3/12" in row]) == 1
    assert widest <= columns
    said = [row for row in terminal.screen() if row.strip()]
    assert said == [
        f"[{number}/5] {one.title}: failed: it did not go well" for number, one in enumerate(flights, 1)
    ]
