"""The benchmark from Python: plan, run, read and use what the command line does, in one class.

It holds the registry and the folder that every step needs; `ssl_bench.Bench` is the way in.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssl_bench.errors import CellError, UsageError
from ssl_bench.leaderboard.write import write_leaderboards
from ssl_bench.machine.devices import precision_for
from ssl_bench.machine.files import place
from ssl_bench.plan.plan import Plan, Request, make_plan
from ssl_bench.plan.settings import setting_text
from ssl_bench.recipe import Execution, Tier
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
Names = str | Sequence[str]
"""`all`, a list with commas, or a sequence of names."""


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

    def plan(
        self,
        *,
        tasks: Names = "all",
        methods: Names = "all",
        backbones: Names = "",
        control: bool = True,
        labels: str | int | Iterable[str | int] = (),
        split_seeds: int | Iterable[int] = 0,
        seeds: int | Iterable[int] = 0,
        tier: Tier = "smoke",
        data: Mapping[str, str | Path] | None = None,
        dataset: Mapping[str, str] | None = None,
        unlabeled: Mapping[str, str | Path] | None = None,
        test: int | Mapping[str, int] | None = None,
        settings: Mapping[str, Any] | None = None,
        threads: int = 1,
        pretrained: bool | None = None,
        weights: str | Path = "",
        execution: Execution | None = None,
        trackers: Names = "",
        trials: Mapping[str, int] | None = None,
    ) -> Plan:
        """The cells of tasks × methods × labels × split seeds × seeds, checked whole; nothing is computed.

        Arguments are the options of `ssl-bench plan`. `methods`: with settings, as in `mt:lambda_mt=0`, one is a row of
        its own. `labels`: of each task, or () for its own in the tier. `data`, `dataset`, `unlabeled`: by task.
        `test`: how many labelled images to hold out, of each task or by task, of data without a test set of its own.
        `settings`: as `--set`, `{"mt.alpha_mt": 0.999}`. `execution`: precision, memory layout and division; None: bf16
        where there is a GPU, else fp32. Raises UsageError or DataError at the first thing wrong.
        """
        chosen, splits = _seeds("seeds", seeds), _seeds("split_seeds", split_seeds)
        _at_least(1, "threads", threads)
        request = Request(
            tasks=_listed(tasks),
            methods=_listed(methods),
            backbones=_listed(backbones),
            labels=(str(labels),) if isinstance(labels, str | int) else tuple(map(str, labels)),
            control=control,
            split_seeds=splits,
            seeds=chosen,
            tier=tier,
            data=_pairs(data),
            dataset=_pairs(dataset),
            unlabeled=_pairs(unlabeled),
            test=(str(test),) if isinstance(test, int) else _pairs(test),
            settings=[f"{name}={setting_text(value)}" for name, value in (settings or {}).items()],
            threads=threads,
            pretrained=pretrained,
            weights=str(weights),
            execution=execution or Execution(precision=precision_for("auto", "auto")),
            trackers=_listed(trackers),
            trials=_pairs(trials),
        )
        return make_plan(self.registry, request)

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

    def load(self, cell: str, device: str = "cpu") -> "Trained":
        """The network of a finished cell, by its id, what its id begins with, or its folder.

        Its `predict` takes a picture (H, W, 3) uint8 RGB of any size and gives the label as the task stores it: class
        ids (H, W), or an image (H, W, O) uint8. Raises UsageError where there is no one such cell.
        """
        folder = self.store.find(cell)

        import torch

        from ssl_bench.use.trained import load_trained

        return load_trained(folder, self.registry, torch.device(device))

    def show(self, cell: str, count: int = 4) -> "Image":
        """The picture of `ssl-bench show`: test images, labels, predictions and what the method sees."""
        folder = self.store.find(cell)

        from ssl_bench.use.show import show_cell

        return show_cell(folder, self.registry, count)


def _seeds(name: str, given: int | Iterable[int]) -> tuple[int, ...]:
    found = tuple(dict.fromkeys((given,) if isinstance(given, int) else given))
    _at_least(0, name, *found)
    return found


def _at_least(least: int, name: str, *numbers: int) -> None:
    if not numbers or min(numbers) < least:
        raise UsageError(f"{name} {', '.join(map(str, numbers)) or 'empty'}: give {least} or more")


def _listed(names: Names) -> str:
    return names if isinstance(names, str) else ",".join(names)


def _pairs(values: Mapping[str, str | Path] | Mapping[str, str] | Mapping[str, int] | None) -> list[str]:
    return [f"{name}={value}" for name, value in (values or {}).items()]
