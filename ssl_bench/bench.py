"""The benchmark from Python: plan, run, read and use what the command line does, in one class.

It holds the registry and the folder that every step needs; `ssl_bench.Bench` is the way in.
"""

from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssl_bench.errors import CellError, UsageError
from ssl_bench.leaderboard.write import write_leaderboards
from ssl_bench.machine.files import place
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plan.request import Request, taking
from ssl_bench.registry.files import read_plugin_files
from ssl_bench.registry.loading import load_registry
from ssl_bench.run.attempts import RETRIES
from ssl_bench.run.display import PlainDisplay
from ssl_bench.run.loop import carry_out
from ssl_bench.run.start import start_of
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.results import ResultStore
from ssl_bench.words import number_of

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from ssl_bench.use.trained import Trained

SECONDS = 60.0
"""Between two lines of progress: a notebook keeps them all."""


class Bench:
    """A benchmark whose records lie in one folder.

    The methods raise `ssl_bench.SslBenchError` for what a user can mend, in one line.
    """

    def __init__(self, out: str | Path = "runs", plugins: Iterable[str | Path] = ()) -> None:
        """`out`: the results folder, as `--out`; made when something is run. `plugins`: files, as `--plugin`."""
        self.store = ResultStore(place(str(out)))
        self.registry = load_registry(files=read_plugin_files(place(str(path)) for path in plugins))
        for warning in self.registry.warnings:
            click.echo(f"warning: {warning}", err=True)

    @taking(Request)
    def plan(self, **fields: Any) -> Plan:
        """Give the cells of tasks × methods × labels × split seeds × seeds, checked whole; nothing is computed.

        Arguments are the options of `ssl-bench plan`, typed: lists, numbers, paths, and mappings by task or by
        `METHOD.FIELD`, such as `settings={"mt.alpha_mt": 0.999}`. Where a mapping is by task, the value alone is
        for every task: `labels=[4, "1/8"]`, `labels={"night": 8}`. Text in the form of the command line will do, too.
        Raises UsageError or DataError at the first thing wrong.
        """
        return make_plan(self.registry, Request(**fields))

    def run(
        self,
        plan: Plan,
        *,
        devices: str = "auto",
        jobs: int | None = None,
        executor: str = "local",
        executor_settings: Mapping[str, Any] | None = None,
        resume: bool = True,
        retries: int = RETRIES,
    ) -> "pd.DataFrame":
        """Run what has not finished, write the leaderboards, and return `results` of the plan.

        Arguments as the options of `ssl-bench run`; `executor_settings` are those of the executor alone. Raises
        CellError where a cell fails, after all others have run. In a script, call it below
        `if __name__ == "__main__":`, since cells run in processes of their own.
        """
        _at_least(1, "jobs", 1 if jobs is None else jobs)
        _at_least(0, "retries", retries)
        display = PlainDisplay(SECONDS)
        for note in plan.notes:
            display.noted(note)
        start = start_of(self.registry.executor(executor), executor_settings or {})
        try:
            outcomes = carry_out(
                self.registry,
                plan,
                self.store,
                start,
                display,
                devices=devices,
                jobs=jobs,
                resume=resume,
                retries=retries,
            )
        finally:
            write_leaderboards(self.registry, plan, self.store)
        failed = [outcome for outcome in outcomes if outcome.status != "finished"]
        if failed:
            first = failed[0]
            raise CellError(
                f"{len(failed)} of {number_of(len(plan.cells), 'cell')} did not finish; {first.cell}: "
                f"{first.message} (log: {CellFolder(self.store.cells / first.cell).log})"
            )
        return self.results(plan)

    def results(self, plan: Plan | None = None) -> "pd.DataFrame":
        """One row for each finished run, of a plan or of the folder; columns as `frame_of` has them."""
        from ssl_bench.leaderboard.frame import frame_of

        if plan is None:
            return frame_of(self.store.records())
        return frame_of(record for cell in plan.cells if (record := self.store.finished(cell)) is not None)

    def load(self, cell: str | Path, device: str = "cpu") -> "Trained":
        """The network of a finished cell, by its id, what its id begins with, or its folder.

        Its `predict` takes a picture (H, W, 3) uint8 RGB of any size and gives the label as the task stores it: class
        ids (H, W), or an image (H, W, O) uint8. `device`: `cpu`, `cuda`, or one GPU of several as `cuda:1`. Raises
        UsageError where there is no one such cell, or no such device.
        """
        folder = self.store.find(str(cell))

        import torch

        count = torch.cuda.device_count()
        there = ["cpu", *["cuda"][:count], *(f"cuda:{number}" for number in range(count))]
        if str(device) not in there:
            raise UsageError(f"device {device}: give one that this machine has: {', '.join(there)}")

        from ssl_bench.use.trained import load_trained

        return load_trained(folder, self.registry, torch.device(device))

    def show(
        self, cell: str | Path, count: int = 4, *, data: Mapping[str, str | Path] | None = None
    ) -> "Image":
        """The picture of `ssl-bench show`: `count` test images, labels, predictions and what the method sees.

        `data`: task to the folder of its data, as `--data`, where it lies elsewhere than the cell says.
        """
        folder = self.store.find(str(cell))
        _at_least(1, "count", count)
        stated = Request(data=data or {}).data

        from ssl_bench.use.show import show_cell

        return show_cell(folder, self.registry, count, stated)


def _at_least(least: int, name: str, number: object) -> None:
    if not isinstance(number, Integral) or number < least:
        raise UsageError(f"{name} {number}: give a whole number, {least} or more")
