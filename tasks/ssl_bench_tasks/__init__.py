"""The four tasks and their data sets: the plugin behind entry point `tasks`."""

from collections.abc import Iterable

from ssl_bench import ClaimSpec, DatasetSpec, DownloadSpec, TaskSpec, hookimpl
from ssl_bench_tasks.claims import CLAIMS
from ssl_bench_tasks.downloads import DOWNLOADS
from ssl_bench_tasks.modern_claims import MODERN_CLAIMS
from ssl_bench_tasks.specs import DATASETS, TASKS


@hookimpl
def provide_tasks() -> Iterable[TaskSpec]:
    """Segmentation, denoising, matting and night."""
    return TASKS


@hookimpl
def provide_datasets() -> Iterable[DatasetSpec]:
    """A synthetic set for each task, public data sets in their own layouts, and the user's own folders."""
    return DATASETS


@hookimpl
def provide_downloads() -> Iterable[DownloadSpec]:
    """The public data sets whose layouts are read."""
    return DOWNLOADS


@hookimpl
def provide_claims() -> Iterable[ClaimSpec]:
    """Published scores of semi-supervised segmentation."""
    return [*CLAIMS, *MODERN_CLAIMS]
