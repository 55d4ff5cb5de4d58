"""Every run in one tidy table: a row per run and metric, for whoever computes further."""

import csv
import io
from collections.abc import Iterable

from ssl_bench.leaderboard.formats.csv import text_field
from ssl_bench.leaderboard.model import exact
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.rows import setting_text

HEADER = (
    *("task", "data", "tier", "labels", "labeled", "unlabeled", "test_images", "split_seed", "split", "seed"),
    *("method", "variant", "role", "network", "pretrained", "iterations", "trials"),
    *("settings", "recipe", "execution", "threads", "dataset", "fingerprint", "provided_by"),
    *("metric", "unit", "higher_is_better", "ranks", "score", "seconds", "cell"),
)


def render_runs(entries: Iterable[Entry]) -> str:
    """CSV with a head line, UTF-8, numbers at 12 digits; an empty field was not measured or does not apply.

    `settings`: all of the method's. `recipe`: a hash of the training recipe. `fingerprint`: of the data. What stands
    before `metric` tells two runs apart, whatever differs between them.
    `ranks`: 1 for the metric that tables of scores show. What a run has beyond its task's own metrics has no unit
    and no direction.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for entry in sorted(
        entries, key=lambda entry: (entry.task_position, entry.task, entry.method_position, entry.id)
    ):
        start = (
            *(entry.task, entry.data_title, entry.tier, entry.source, entry.labeled, entry.unlabeled),
            *(
                entry.images,
                entry.split_seed,
                entry.split,
                entry.seed,
                entry.method,
                _set(entry, entry.variant),
                entry.role,
            ),
            *(entry.backbone, entry.pretrained, entry.iterations, entry.trials),
            *(_set(entry, entry.config), entry.recipe, entry.execution, entry.threads),
            *(entry.dataset, entry.data, entry.provided_by),
        )
        own = {measure.name: measure for measure in entry.measures}
        for name in (*(name for name in own if name in entry.scores), *sorted(set(entry.scores) - set(own))):
            measure = own.get(name)
            better = int(measure.higher_is_better) if measure else None
            facts = (name, measure.unit if measure else None, better, int(measure == entry.primary))
            cells = (*start, *facts, entry.scores[name], entry.cost.get("seconds"), entry.id)
            writer.writerow([_field(value) for value in cells])
    return out.getvalue()


def _set(entry: Entry, names: Iterable[str]) -> str:
    """Settings as they would be typed; a preset, which has no value of its own, by its name."""
    return "; ".join(
        f"{name}={setting_text(entry.config[name])}" if name in entry.config else name for name in names
    )


def _field(value: float | str | None) -> str:
    return "" if value is None else text_field(value) if isinstance(value, str) else exact(value)
