"""How many images are labelled: what a command says of each task, or else what the task states for the tier."""

from collections.abc import Mapping, Sequence

from ssl_bench.data.splits import check_labels, has_as_many
from ssl_bench.errors import UsageError, not_taking_part
from ssl_bench.machine.files import existing, place
from ssl_bench.plan.sources import Source
from ssl_bench.recipe import Tier
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import TaskSpec
from ssl_bench.words import names_in

OTHERWISE = "1/8"
"""Where a task states nothing for the tier."""


def asked_labels(
    registry: Registry, entries: Sequence[str], tasks: Sequence[TaskSpec]
) -> dict[str, list[str]]:
    """`VALUE` and `TASK=VALUE` entries of `--labels` to the values of each task, none where it is left open.

    A task's own replace the general ones. UsageError for what can be no value.
    """
    general: list[str] = []
    own: dict[str, list[str]] = {}
    for entry in entries:
        name, equals, value = ("", "", entry) if _is_file(entry) else entry.partition("=")
        values = _several(value if equals else entry)
        if not values:
            raise UsageError(
                f"--labels '{entry}': give a fraction (1/8), a count (100), 'all' or a list file"
            )
        if not equals:
            general += values
            continue
        name = registry.task(name).name
        if name not in {task.name for task in tasks}:
            raise not_taking_part(f"--labels {entry}", f"task '{name}'")
        own.setdefault(name, []).extend(values)
    found = {task.name: own.get(task.name, general) for task in tasks}
    for value in (value for values in found.values() for value in values):
        check_labels(value)
    return {name: list(dict.fromkeys(values)) for name, values in found.items()}


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


def _several(text: str) -> list[str]:
    """The values between commas; the whole where it is a file's path."""
    parts = [text] if _is_file(text) else names_in(text)
    return [str(place(part)) if part.startswith("~") else part for part in parts]


def _is_file(text: str) -> bool:
    path = existing(text)
    return path is not None and path.is_file()
