"""One finished run, as far as tables look."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ssl_bench.leaderboard.reading.fields import canonical
from ssl_bench.significance.crossed import Run
from ssl_bench.specs import RATE

PROVIDER = "provided by"
TRAINED_ON = "trained on split"
"""Settings of a run outside its method's config, whose field names hold no space."""


@dataclass(frozen=True)
class Measure:
    """One metric of a task."""

    name: str
    label: str
    """Symbol, unit and arrow."""
    higher_is_better: bool
    digits: int
    aggregate: Any = field(default=None, hash=False)
    """How images make up the score of a set, as the record states it; None where it does not."""
    unit: str = ""
    """What a difference is given in: dB, or mIoU where the score is in per cent or has no unit."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One finished run, as tables read its record."""

    id: str
    task: str
    task_title: str
    task_position: float
    measures: tuple[Measure, ...]
    """The first is the primary one, which ranks."""
    dataset: str
    data_title: str
    """What the data is called: the title that it was given, or else the name of its data set."""
    data: str
    """Fingerprint of the data."""
    backbone: str
    pretrained: str
    """Which weights the network started from; `-` for none."""
    execution: str
    """How it was computed, in words; `plain` for the form that others are compared to."""
    tier: str
    threads: str
    iterations: str
    recipe: str
    """Content hash of the recipe."""
    recipe_settings: Mapping[str, Any]
    """The recipe itself."""
    versions: tuple[tuple[str, str], ...]
    """Who provides task, data set and backbone, in which version."""
    provider: str
    """Who provides the method, in which version."""
    source: str
    split_seed: str
    split: str
    """Content hash of the split."""
    labeled: str
    unlabeled: str
    method: str
    method_title: str
    method_position: float
    variant: tuple[str, ...]
    """What a variant of the method sets, in the order given: fields of its config, or presets. Empty: the plain one."""
    role: str
    uses_all_labels: bool
    reference: str
    symbols: tuple[tuple[str, str], ...]
    """(field of the method's config, LaTeX), in the order of the table."""
    config: Mapping[str, Any]
    trials: int | None
    """How many settings were tried in the search that these come from; None: not stated."""
    seed: str
    device: str
    code: str
    """Hash of the method's code, which may change under one version; `-` where a record does not tell."""
    start: str
    """Hash of the weights that the network started from; `-` where a record does not tell."""
    parts: str
    """Into how many parts batches were taken after memory ran out; `-` where it did not."""
    packages: tuple[tuple[str, str], ...]
    """Names and versions of the libraries that compute."""
    cost: Mapping[str, float]
    """What was measured of `seconds`, `parameters`, `images_seen` and others."""
    scores: Mapping[str, float] = field(metadata={"outcome": True})
    """What there is of the metrics, those beyond the task's `measures` included."""
    best: float | None = field(metadata={"outcome": True})
    """The best primary score on the way, chosen on test data: it never ranks."""
    per_image: Mapping[str, Any] = field(metadata={"outcome": True})
    one_value: bool = field(metadata={"outcome": True})
    """Whether its predictions show one value everywhere."""
    curves: Mapping[str, Any] = field(metadata={"outcome": True})

    @property
    def primary(self) -> Measure:
        """The metric that ranks, the task's first."""
        return self.measures[0]

    @property
    def metric(self) -> str:
        """Symbol, unit and arrow of what ranks."""
        return self.primary.label

    @property
    def higher_is_better(self) -> bool:
        """Whether more is better of the metric that ranks."""
        return self.primary.higher_is_better

    @property
    def digits(self) -> int:
        """How many decimals the metric that ranks is shown with."""
        return self.primary.digits

    @property
    def score(self) -> float | None:
        """What ranks, after the last iteration."""
        return self.scores.get(self.primary.name)

    @property
    def labels(self) -> int | None:
        """How many images are labelled, as a number."""
        return _count(self.labeled)

    @property
    def unlabelled(self) -> int | None:
        """How many images are not, as a number."""
        return _count(self.unlabeled)

    @property
    def pair(self) -> Run:
        """Split and seed, by which runs of different methods are paired."""
        return (None if self.uses_all_labels else self.split, self.seed)

    @property
    def images(self) -> int | None:
        """How many test images there are; None where the record does not tell."""
        ids = self.per_image.get("ids")
        return len(ids) if isinstance(ids, list | tuple) else None

    @property
    def is_titled(self) -> bool:
        """Whether its data was given a title."""
        return self.data_title != self.dataset

    @property
    def setting(self) -> tuple[Any, ...]:
        """All but the split that must agree for two scores to stand in one column."""
        data = (self.task, self.dataset, self.data)
        network = (self.backbone, self.pretrained, self.execution)
        return (*data, *network, self.tier, self.recipe, self.threads, self.versions)

    @property
    def method_settings(self) -> dict[str, Any]:
        """All that must agree within a row."""
        own = {TRAINED_ON: self.split} if self.uses_all_labels else {}
        return {RATE: 1.0, **self.config, PROVIDER: self.provider, **own}

    @property
    def choice(self) -> tuple[Any, ...]:
        """Method and settings, among the runs of one setting."""
        return (self.setting, self.method, canonical(self.method_settings))

    @property
    def provided_by(self) -> str:
        """Who provides it, in which version; where several do, each part: `backbone ssl-bench 0.1.0; ...`."""
        parts = (*self.versions, ("method", self.provider))
        if len(providers := {provider for _, provider in parts}) == 1:
            return providers.pop()
        return "; ".join(f"{part} {provider}" for part, provider in parts)

    @property
    def run(self) -> tuple[Any, ...]:
        """What only repetitions of one and the same run share."""
        return (*self.choice, self.split, self.seed)


def _count(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None
