"""Every hook. A plugin is a module or package in entry-point group `ssl_bench` with any of these.

from ssl_bench import MethodSpec, hookimpl

@hookimpl
def provide_methods() -> Iterable[MethodSpec]:
    return [MethodSpec(name="pi", title="Pi-Model", method="my_package.pi:PiModel")]
"""

from collections.abc import Iterable

import pluggy

from ssl_bench.published import ClaimSpec, DownloadSpec
from ssl_bench.specs import BackboneSpec, DatasetSpec, ExecutorSpec, MethodSpec, TaskSpec, TrackerSpec

GROUP = "ssl_bench"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def provide_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """What is predicted and how it is scored."""


@hookspec
def provide_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Where the images of a task come from."""


@hookspec
def provide_downloads() -> Iterable[DownloadSpec]:  # type: ignore[empty-body]
    """Where public data sets are to be had, and on which terms."""


@hookspec
def provide_backbones() -> Iterable[BackboneSpec]:  # type: ignore[empty-body]
    """Task networks, images to logits."""


@hookspec
def provide_methods() -> Iterable[MethodSpec]:  # type: ignore[empty-body]
    """How to learn from labelled and unlabelled images."""


@hookspec
def provide_executors() -> Iterable[ExecutorSpec]:  # type: ignore[empty-body]
    """Where and how cells run."""


@hookspec
def provide_trackers() -> Iterable[TrackerSpec]:  # type: ignore[empty-body]
    """What follows a cell while it runs."""


@hookspec
def provide_claims() -> Iterable[ClaimSpec]:  # type: ignore[empty-body]
    """Published numbers, to be shown beside measured ones."""
