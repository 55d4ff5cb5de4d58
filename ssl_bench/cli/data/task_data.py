"""TASK and where its data lie, for commands that look into one data set."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssl_bench.cli.options import together
from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.cli.values import Place

if TYPE_CHECKING:
    from ssl_bench.dataset import Dataset
    from ssl_bench.specs import TaskSpec


of_task = together(
    click.argument("task"),
    click.option("--data", type=Place(), help="A folder; the default is the embedded set."),
    click.option("--dataset", help="The layout of that folder, or another data set of the task."),
    plugin_option,
)
"""The argument TASK, and the options --data and --dataset."""


def open_task_data(task: str, data: Path | None, dataset: str | None) -> "tuple[TaskSpec, Dataset]":
    """A task and its data set, opened as `run` opens it. Raises UsageError and DataError as `open_sources`."""
    from ssl_bench.plan.request import Request
    from ssl_bench.plan.sources import open_sources

    registry = load_registry()
    spec = registry.task(task)
    request = Request(data={task: data} if data else {}, dataset={task: dataset} if dataset else {})
    return spec, open_sources(registry, request, [spec])[spec.name].dataset
