"""Which finished cells, and which test images, are shown beside each other. Free of torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from ssl_bench.data.splits import ranked
from ssl_bench.errors import UsageError
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.reading.columns import Column, differing, make_columns
from ssl_bench.leaderboard.reading.entries import read_entries
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import finite
from ssl_bench.leaderboard.reading.grouping import Table
from ssl_bench.leaderboard.reading.rows import make_rows
from ssl_bench.plan.settings import configs_for
from ssl_bench.plan.variants import Variant
from ssl_bench.recipe import TIERS, Tier
from ssl_bench.specs import TaskSpec
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.record import Record

Choice = Literal["random", "gain"]


@dataclass(frozen=True)
class Shown:
    """A finished cell with its weights, and what it is called."""

    title: str
    entry: Entry
    folder: Path


@dataclass(frozen=True)
class Comparison:
    """Cells that agree in data, split, network, recipe and training seed, in the order of the tables."""

    head: Entry
    shown: tuple[Shown, ...]

    @property
    def baseline(self) -> Shown:
        """What gains refer to: the first baseline, or the first of all."""
        return next((one for one in self.shown if one.entry.role == "baseline"), self.shown[0])

    @property
    def challenger(self) -> Shown:
        """Whose gains are meant: of the others the last method that is no bound, or the last of all."""
        others = [one for one in self.shown[::-1] if one is not self.baseline] or [self.baseline]
        return next((one for one in others if one.entry.role == "ssl"), others[0])


class Finished:
    """The records of some folders, and which of them have their weights beside them."""

    def __init__(self, files: Iterable[tuple[Path, Record]]) -> None:
        """`files`: as `ssl_bench.store.results.record_files` gives them."""
        files = list(files)
        self.entries = read_entries(record for _, record in files)[0]
        self.folders: dict[str, Path] = {}
        for path, record in files:
            folder = CellFolder(path.parent)
            if path == folder.record and folder.weights.is_file():
                self.folders.setdefault(record.cell.id, folder.path)

    def columns(self, task: str) -> list[Column]:
        """Those of a task's cells that can be shown, one column a setting."""
        return make_columns(
            (one for one in self.entries if one.task == task and one.id in self.folders), pool=False
        )

    def comparison(self, column: Column) -> Comparison | None:
        """The rows of a column at the lowest training seed that they share, if any."""
        rows = make_rows(Table("", (column,)))
        seeds = set.intersection(*({entry.seed for entry in row.cells[0]} for row in rows)) if rows else set()
        if not seeds:
            return None
        seed = min(seeds, key=lambda text: (len(text), text))
        shown = []
        for row in rows:
            entry = next(entry for entry in row.cells[0] if entry.seed == seed)
            shown.append(Shown(plain(row.name), entry, self.folders[entry.id]))
        return Comparison(column.head, tuple(shown))


def choose_cells(
    finished: Finished, tasks: Sequence[TaskSpec], variants: Sequence[Variant] = (), like: Sequence[str] = ()
) -> list[Comparison]:
    """The one comparison of each task that is asked for. Without `variants`: all rows but upper bounds.

    `like`: ids of cells, or their beginnings, in whose settings. Raises UsageError where a variant has no cell, and,
    once for all tasks, where several settings fit.
    """
    fitting = [_fitting(finished, task, variants, like) for task in tasks]
    several = [columns for columns in fitting if len(columns) > 1]
    if several:
        faults, cures = zip(*map(_said_of, several), strict=True)
        each = " for each" if len(several) > 1 else ""
        raise UsageError(
            f"finished cells {' and '.join(faults)}; choose by --like CELL{each}, such as {', and '.join(cures)}"
        )
    return [_compared(finished, column, variants) for (column,) in fitting]


def require_gains(comparison: Comparison) -> None:
    """Raise UsageError where there is no method besides the baseline, whose gains could be meant."""
    if comparison.challenger is comparison.baseline:
        raise UsageError(
            f"--choose gain: a gain is of one method over another, and of task '{comparison.head.task}' "
            f"{comparison.baseline.title} alone is shown; name two by --methods"
        )


def _fitting(
    finished: Finished, task: TaskSpec, variants: Sequence[Variant], like: Sequence[str]
) -> list[Column]:
    """The settings of a task in which every variant has finished, with the cells of these alone."""
    columns = finished.columns(task.name)
    if not columns:
        raise UsageError(f"no finished cell of task '{task.name}' has its weights at hand; run it first")
    for name in like:
        holding = [c for c in columns if any(entry.id.startswith(name) for entry in c.entries)]
        columns = holding or columns
    found = [[cells_of(column, variant, task) for variant in variants] for column in columns]
    for place, variant in enumerate(variants):
        if not any(cells[place] for cells in found):
            there = {entry.method for column in columns for entry in column.entries}
            raise UsageError(
                f"no finished cell of method '{variant.text}' for task '{task.name}'; run it, or leave it out "
                f"(finished: {', '.join(sorted(there))})"
            )
    fitting = [
        replace(column, entries=tuple(entry for own in cells for entry in own)) if variants else column
        for column, cells in zip(columns, found, strict=True)
        if all(cells)
    ]
    if not fitting:
        heads = [column.head for column in columns]
        names = ", ".join(variant.text for variant in variants)
        raise UsageError(
            f"no setting of task '{task.name}' has finished cells of all of {names}: they differ in "
            f"{differing(heads, pool=False)}; leave methods out, or run what is missing"
        )
    return fitting


def _said_of(columns: Sequence[Column]) -> tuple[str, str]:
    """What several settings of a task differ in, and how one of them is chosen."""
    heads = [column.head for column in columns]
    said = differing(heads, pool=False)
    # A cell of either value that is named.
    pairs = list(combinations(heads, 2))
    one, other = next((pair for pair in pairs if differing(pair, pool=False) == said), pairs[0])
    return f"of task '{one.task}' differ in {said}", f"--like {one.id} or --like {other.id}"


def _compared(finished: Finished, column: Column, variants: Sequence[Variant]) -> Comparison:
    """The rows of a setting, but for upper bounds that no variant names, where there is anything else."""
    if not variants:
        others = tuple(one for one in column.entries if one.role != "upper_bound")
        column = replace(column, entries=others or column.entries)
    chosen = finished.comparison(column)
    if chosen is None:
        raise UsageError(
            f"the cells of task '{column.head.task}' have no training seed in common; run them with one seed"
        )
    return replace(chosen, shown=tuple(_named(one, variants) for one in chosen.shown))


def cells_of(column: Column, variant: Variant, task: TaskSpec) -> list[Entry]:
    """The cells of a column that a variant means: with all of its settings as a command would plan them, or else, with
    what it names as it says, whatever `--set` made of the rest."""
    own = [entry for entry in column.entries if entry.method == variant.method.name]
    if not own:
        return []
    planned = _planned(own[0], variant, task)
    exact = [entry for entry in own if entry.config == planned]
    if exact or variant.tier is not None:
        return exact
    fields = [name.partition(".")[0] for name in variant.names]
    return [entry for entry in own if all(entry.config.get(name) == planned.get(name) for name in fields)]


def _planned(entry: Entry, variant: Variant, task: TaskSpec) -> dict[str, Any]:
    tier: Tier = next((tier for tier in TIERS if tier == entry.tier), "paper")
    ((_, config),) = configs_for(task, variant, tier, {})
    return config.stored()


def _named(shown: Shown, variants: Sequence[Variant]) -> Shown:
    """With its settings in the title, where no other row of its method is there to tell it from."""
    for variant in variants:
        mine = variant.names and variant.method.name == shown.entry.method
        if mine and shown.title == plain(shown.entry.method_title):
            return replace(shown, title=f"{shown.title} ({plain(variant.text.partition(':')[2])})")
    return shown


def choose_images(
    comparison: Comparison, ids: Sequence[str], choice: Choice, count: int, seed: int
) -> list[str]:
    """Test images by a rule: drawn at random, or those with the largest gains, the largest first.

    Random: the same images for any count, method and machine. Raises UsageError where the records hold no scores of
    single images.
    """
    if choice == "random":
        return ranked(ids, seed)[:count]
    low, high = (image_scores(one.entry) for one in (comparison.baseline, comparison.challenger))
    sign = 1 if comparison.head.higher_is_better else -1
    gains = {name: sign * (high[name] - low[name]) for name in ids if name in low and name in high}
    if not gains:
        raise UsageError("--choose gain: the records hold no scores of single images; take --choose random")
    return sorted(gains, key=lambda name: (-gains[name], name))[:count]


def image_scores(entry: Entry) -> Mapping[str, float]:
    """Test image to its own score by the metric that ranks, of those that have one."""
    ids, values = (entry.per_image.get(name) for name in ("ids", entry.primary.name))
    if not isinstance(ids, list | tuple) or not isinstance(values, list | tuple):
        return {}
    found = ((str(name), finite(value)) for name, value in zip(ids, values, strict=False))
    return {name: value for name, value in found if value is not None}


def metric_name(comparison: Comparison) -> str:
    """Symbol and unit of what ranks, without its arrow."""
    return plain(comparison.head.metric.rstrip("↑↓ "))


def rule_text(comparison: Comparison, choice: Choice, count: int, total: int, seed: int) -> str:
    """The rule in words, for a caption."""
    if choice == "random":
        return f"Images: {count} of {total} test images, drawn at random (seed {seed})."
    return (
        f"Images: of {total} test images the {count} with the largest gain in {metric_name(comparison)} of "
        f"{comparison.challenger.title} over {comparison.baseline.title}, and so no fair sample."
    )
