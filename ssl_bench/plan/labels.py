"""How many images are labelled: what a command says of each task, or else what the task states for the tier."""

from collections.abc import Mapping, Sequence

from ssl_bench.data.splits import check_labels, has_as_many
from ssl_bench.plan.request import Request
from ssl_bench.plan.sources import Source
from ssl_bench.recipe import Tier
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import TaskSpec

OTHERWISE = "1/8"
"""Where a task states nothing for the tier."""


def asked_labels(registry: Registry, request: Request, tasks: Sequence[TaskSpec]) -> dict[str, list[str]]:
    """The values of each task, each once and none where it is left open. UsageError for what can be no value."""
    given = request.by_task("labels", registry, tasks)
    return {task.name: list(dict.fromkeys(map(check_labels, given.get(task.name, ())))) for task in tasks}


def fill_in(
    labels: Mapping[str, list[str]], tasks: Sequence[TaskSpec], sources: Mapping[str, Source], tier: Tier
) -> tuple[dict[str, list[str]], list[str]]:
    """The values of each task with its own for the tier where it was left open, and lines that say which were taken.

    Where there are fewer images with labels than the tier has, all of them are.
    """
    filled, taken, notes = dict(labels), [], []
    for task in (task for task in tasks if not labels[task.name]):
        name, dataset = task.name, sources[task.name].dataset
        label = check_labels(task.labels.get(tier, OTHERWISE))
        if has_as_many(dataset, label):
            taken.append(f"{name} {label}")
        else:
            there = len(dataset.train)
            notes.append(
                f"{name}: all {there} images with labels are taken, fewer than the {label} of tier {tier}"
            )
            label = "all"
        filled[name] = [label]
    said = [f"labels: {', '.join(taken)}, as tier {tier} has them"] if taken else []
    return filled, [*said, *notes]
