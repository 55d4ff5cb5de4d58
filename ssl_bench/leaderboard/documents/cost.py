"""What the scores cost: time, memory, images, parameters, energy. What was not measured is shown as missing."""

from collections.abc import Callable, Sequence
from itertools import compress

from ssl_bench.leaderboard.documents.tables import fastest, mean_of, name_cell, references
from ssl_bench.leaderboard.model import (
    Block,
    Cell,
    Document,
    Grid,
    Heading,
    figure,
    joined,
    missing,
    paragraph,
)
from ssl_bench.leaderboard.reading.board import Board, Numbers, numbered
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import MISSING
from ssl_bench.leaderboard.reading.rows import Row, column_titles

_HEADER = (
    "Methods",
    "Runs",
    "Time of a run",
    "Hours in all",
    "Time of a step",
    "Images per second",
    "GPU memory",
    "Process memory",
    "GPU energy",
    "Images seen",
    "Parameters",
    "Trained",
    "FLOPs per image",
    "Hardware",
)
_NOT_EVERYWHERE = {
    *("Time of a step", "Images per second", "GPU memory", "Process memory", "GPU energy", "FLOPs per image"),
}
"""Left out where no record has them: older ones lack some, and a CPU others."""


def cost_document(board: Board) -> Document:
    """A table a task, by table of the leaderboard."""
    numbers = numbered(board.rows)
    blocks: list[Block] = [
        paragraph(
            "Time of a run, time of a step and images per second: of a row's fastest run, for others may have shared "
            "the machine. Hours in all: of all its runs. The rest: means over them. Time of a step: the median over "
            "the training steps of a run, each with its batch; images per second follow from it. GPU memory: the "
            "peak of torch's tensors on the GPU; process memory: the peak that the whole process had resident, "
            "libraries included. GPU energy: of the whole GPU while a cell ran. Parameters: of the network that is "
            "deployed; trained: of all networks that are stepped. FLOPs: of the deployed network's convolutions and "
            "matrix products, for one image of the size of a training crop; a multiply and an add are two. A dash: "
            "not measured."
        )
    ]
    tables = [
        (section, number, _lines(section.rows, number, numbers))
        for section in board.sections
        for number in range(len(column_titles(section.table)))
    ]
    seen = [
        name not in _NOT_EVERYWHERE or any(line[place] != missing() for *_, lines in tables for line in lines)
        for place, name in enumerate(_HEADER)
    ]
    if not all(seen):
        unseen = [name for name, kept in zip(_HEADER, seen, strict=True) if not kept]
        blocks.append(paragraph(f"Measured in none of these records, and left out: {', '.join(unseen)}."))
    for section, number, lines in tables:
        if number == 0:
            blocks.append(Heading(section.table.title))
        blocks += [
            Heading(column_titles(section.table)[number], 3),
            Grid(
                "cost",
                [figure(name) for name in compress(_HEADER, seen)],
                [list(compress(line, seen)) for line in lines],
            ),
        ]
    return [*blocks, *references(numbers)]


def _lines(rows: Sequence[Row], number: int, numbers: Numbers) -> list[list[Cell]]:
    return [[name_cell(row, numbers), *_line(row.cells[number])] for row in rows if row.cells[number]]


def _line(entries: Sequence[Entry]) -> list[Cell]:
    seconds = [entry.cost["seconds"] for entry in entries if "seconds" in entry.cost]
    # A sum over some of the runs would look like one over all.
    hours = sum(seconds) / 3600 if len(seconds) == len(entries) else None
    devices = sorted({entry.device for entry in entries} - {MISSING})
    return [
        figure(str(len(entries)), runs=len(entries)),
        _cell(fastest(entries, "seconds"), duration, "seconds"),
        _cell(hours, lambda value: f"{value:.3g}", "hours"),
        _cell(fastest(entries, "seconds_per_step"), _short_time, "seconds_per_step"),
        _cell(fastest(entries, "images_per_second"), lambda value: f"{value:.3g}", "images_per_second"),
        _cell(mean_of(entries, "peak_memory_bytes"), _gibibytes, "bytes"),
        _cell(mean_of(entries, "peak_resident_bytes"), _gibibytes, "resident_bytes"),
        _cell(mean_of(entries, "gpu_energy_joules"), lambda value: f"{value / 3600:.3g} Wh", "joules"),
        _cell(mean_of(entries, "images_seen"), lambda value: f"{value:,.0f}", "images"),
        _cell(mean_of(entries, "parameters"), _millions, "parameters"),
        _cell(mean_of(entries, "parameters_trained"), _millions, "trained"),
        _flops(entries),
        Cell(joined(devices, ", ")) if devices else missing(),
    ]


def duration(seconds: float) -> str:
    """In the unit that fits."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _flops(entries: Sequence[Entry]) -> Cell:
    flops, side = mean_of(entries, "inference_flops"), mean_of(entries, "inference_side")
    if flops is None or side is None:
        return missing()
    return figure(f"{flops / 1e9:.3g} G at {side:g} px", flops=flops, side=side)


def _short_time(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else duration(seconds)


def _gibibytes(value: float) -> str:
    return f"{value / 2**30:.2f} GiB"


def _millions(value: float) -> str:
    return f"{value / 1e6:.2f} M"


def _cell(value: float | None, shown: Callable[[float], str], name: str) -> Cell:
    return missing() if value is None else figure(shown(value), **{name: value})
