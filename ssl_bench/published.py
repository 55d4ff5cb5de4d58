"""What others have published: where public data sets lie, and scores of theirs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ssl_bench.recipe import Recipe, Tier
from ssl_bench.specs import Spec

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file of a public data set on its own server. What is not known for sure is left out."""

    url: str
    """http or https."""
    name: str
    """Of the file on disk."""
    size: int | None = None
    """Bytes."""
    checksum: str = ""
    """`md5:...` or `sha256:...`, in hexadecimal."""


@dataclass(frozen=True, kw_only=True)
class DownloadSpec(Spec):
    """How to come by a public data set, and on which terms."""

    title: str
    task: str
    page: str
    """The set's own page."""
    licence: str
    citation: str
    files: tuple[RemoteFile, ...] = ()
    """Archives (tar or zip), unpacked side by side. None: the set is given out by hand only."""
    steps: str = ""
    """What to do by hand then; `{folder}` stands for the folder to unpack into."""


@dataclass(frozen=True, kw_only=True)
class ClaimSpec(Spec):
    """A published table of scores of one network. It is shown beside what is measured, and never among it."""

    title: str
    """The network, as its authors call it."""
    task: str
    metric: str
    """The task's metric of that name."""
    dataset: str
    """Our name of the data set."""
    scores: Mapping[str, Mapping[str, float]]
    """Method as published, to labels as published, to score."""
    labeled: Mapping[str, int]
    """Labels as published to how many images they are."""
    source: str
    split: str
    """How the labelled images were chosen."""
    selection: str
    """Which evaluation of a run is reported."""
    notes: str = ""
    """What else a comparison should know."""
    steps: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: _EMPTY)
    """Method as published, to labels as published, to optimiser steps of the run, as far as they are known: a baseline
    of fewer steps than what is compared with it says little."""
    backbone: str = ""
    """Our name of the very same network; empty where there is none, and so nothing to compare with."""
    pretrained: bool = False
    """Whether it started from pretrained weights."""
    tier: Tier = "paper"
    """Of ours, the one that trains as was published; scores of others are shown and not judged."""
    recipe: Recipe | None = None
    """What that tier trains by; the registry gives that of the task. None: not known, and so not looked at."""
    training_images: int | None = None
    """Labelled and unlabelled ones together; None: not known, and so not looked at."""
    methods: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    """Method as published to our name of it."""
