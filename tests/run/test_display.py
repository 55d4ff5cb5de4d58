"""What a run says while it goes on."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TextColumn

from ssl_bench.plan.cell import Cell
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.run.display import LiveDisplay, PlainDisplay
from ssl_bench.store.record import Progress

STATE = Progress(step=3, iterations=12, seconds=6.0, loss=0.5)


@pytest.fixture(scope="module")
def cell() -> Cell:
    return make_plan(load_registry(), Request(tasks="night", methods="mt", control=False)).cells[0]


def test_lines_tell_what_is_at_work(cell: Cell, capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(seconds=0)
    display.start(5, 2)
    display.progress([])
    display.progress([(cell, STATE)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["  no cell at work now, 3 to go", f"  {cell.title}: step 3/12, loss 0.5, 18 s left"]
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
    assert notes == ["2/5", "2/5, no cell at work now, 3 to go", "2/5"]
    assert display.bars.tasks[1].description == cell.title
    assert (display.bars.tasks[1].completed, display.bars.tasks[1].total) == (3, 12)
