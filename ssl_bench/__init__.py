"""ssl-bench: a plugin-based benchmark for pixel-wise semi-supervised learning.

    import ssl_bench
    bench = ssl_bench.Bench("runs")
    plan = bench.plan(tasks="segmentation", methods=["supervised", "mt"])
    frame = bench.run(plan)

What plugins, scripts and notebooks are written against is here, whichever module it lies in: `from ssl_bench import
Method, MethodSpec, hookimpl`. Small functions that methods share are in `ssl_bench.toolbox`, the checks of plugins in
`ssl_bench.testing`; there is no further door. A name is loaded when it is first asked for: `import ssl_bench` is
instant, and free of torch.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""As in `typing`, which is not imported: under `python -m ssl_bench` the working folder is still on the path here."""
if TYPE_CHECKING:
    from typing import Any

    from ssl_bench.backbone import IMAGENET, Backbone, NetworkFactory, Statistics, TaskNetwork
    from ssl_bench.bench import Bench
    from ssl_bench.data.folders import FolderDataset
    from ssl_bench.data.lists import read_lines
    from ssl_bench.data.pictures import is_colored, read_alpha, read_colors, read_opacity, read_picture
    from ssl_bench.data.samples import (
        Files,
        Identify,
        Sample,
        any_name,
        collect_samples,
        own_name,
        parent_name,
    )
    from ssl_bench.data.scan import (
        file_stems,
        find_roots,
        folder_at,
        picture_files,
        require_inside,
        subfolders,
    )
    from ssl_bench.data.survey import survey
    from ssl_bench.dataset import VOID, Dataset
    from ssl_bench.errors import (
        CellError,
        DataError,
        PluginError,
        SslBenchError,
        UsageError,
        first_line,
        in_a_line,
        suggestion,
    )
    from ssl_bench.executor import ELSEWHERE, INTERRUPTED, REMOVED, Executor, Job, Wanted
    from ssl_bench.hookspecs import hookimpl
    from ssl_bench.machine.devices import cores, count_slots, device_memory, find_devices, group_devices
    from ssl_bench.machine.files import read_json, write_bytes, write_json
    from ssl_bench.machine.fork_server import start_fork_server
    from ssl_bench.machine.lock import Lock, owner_at_work
    from ssl_bench.machine.search_path import SafeEnvironment
    from ssl_bench.machine.signals import hold_signals
    from ssl_bench.method import Batch, Losses, Method, Panel, Player, Progress
    from ssl_bench.pixels.channels import RGB, Channels
    from ssl_bench.pixels.edges import edges
    from ssl_bench.published import ClaimSpec, DownloadSpec, RemoteFile
    from ssl_bench.recipe import LATER, Execution, Kind, OptimizerSettings, Recipe, Settings, Tier
    from ssl_bench.registry.loading import load_registry
    from ssl_bench.registry.registry import Registry
    from ssl_bench.seeds import generator_for, name_hash, seed_for
    from ssl_bench.specs import (
        LAST_POSITION,
        BackboneSpec,
        DatasetSpec,
        ExecutorConfig,
        ExecutorSpec,
        Found,
        MethodConfig,
        MethodSpec,
        Metric,
        Ratio,
        TaskSpec,
        TrackerSpec,
    )
    from ssl_bench.store.folder import CellFolder
    from ssl_bench.store.heartbeat import lock_of
    from ssl_bench.store.outcomes import is_finished, outcome_of
    from ssl_bench.task import DenseTarget, Metrics, Scores, Strength, Target, Task, masked_mean
    from ssl_bench.tracker import Tracker
    from ssl_bench.train.losses import is_loss
    from ssl_bench.use.trained import Trained, load_trained
    from ssl_bench.worker.attempt import die_with_parent
    from ssl_bench.worker.fresh import missing_message, needed_paths, start_cell
    from ssl_bench.worker.worker import work_on
    from ssl_bench.world.forwards import Forwards
    from ssl_bench.world.log import Log
    from ssl_bench.world.part import Draws

__version__ = "0.1.0"
FACE = {
    "ssl_bench.method": "Batch Losses Method Panel Player Progress",
    "ssl_bench.world.part": "Draws",
    "ssl_bench.world.forwards": "Forwards",
    "ssl_bench.world.log": "Log",
    "ssl_bench.task": "DenseTarget Metrics Scores Strength Target Task masked_mean",
    "ssl_bench.backbone": "IMAGENET Backbone NetworkFactory Statistics TaskNetwork",
    "ssl_bench.dataset": "VOID Dataset",
    "ssl_bench.pixels.channels": "RGB Channels",
    "ssl_bench.pixels.edges": "edges",
    "ssl_bench.data.folders": "FolderDataset",
    "ssl_bench.data.samples": "Files Identify Sample any_name collect_samples own_name parent_name",
    "ssl_bench.data.scan": "file_stems find_roots folder_at picture_files require_inside subfolders",
    "ssl_bench.data.lists": "read_lines",
    "ssl_bench.data.pictures": "is_colored read_alpha read_colors read_opacity read_picture",
    "ssl_bench.data.survey": "survey",
    "ssl_bench.recipe": "LATER Execution Kind OptimizerSettings Recipe Settings Tier",
    "ssl_bench.seeds": "generator_for name_hash seed_for",
    "ssl_bench.specs": "LAST_POSITION BackboneSpec DatasetSpec ExecutorConfig ExecutorSpec Found MethodConfig "
    "MethodSpec Metric Ratio TaskSpec TrackerSpec",
    "ssl_bench.published": "ClaimSpec DownloadSpec RemoteFile",
    "ssl_bench.hookspecs": "hookimpl",
    "ssl_bench.errors": "CellError DataError PluginError SslBenchError UsageError first_line in_a_line suggestion",
    "ssl_bench.tracker": "Tracker",
    "ssl_bench.train.losses": "is_loss",
    "ssl_bench.executor": "ELSEWHERE INTERRUPTED REMOVED Executor Job Wanted",
    "ssl_bench.store.outcomes": "is_finished outcome_of",
    "ssl_bench.store.folder": "CellFolder",
    "ssl_bench.store.heartbeat": "lock_of",
    "ssl_bench.worker.worker": "work_on",
    "ssl_bench.worker.attempt": "die_with_parent",
    "ssl_bench.worker.fresh": "missing_message needed_paths start_cell",
    "ssl_bench.machine.devices": "cores count_slots device_memory find_devices group_devices",
    "ssl_bench.machine.files": "read_json write_bytes write_json",
    "ssl_bench.machine.fork_server": "start_fork_server",
    "ssl_bench.machine.lock": "Lock owner_at_work",
    "ssl_bench.machine.search_path": "SafeEnvironment",
    "ssl_bench.machine.signals": "hold_signals",
    "ssl_bench.registry.registry": "Registry",
    "ssl_bench.registry.loading": "load_registry",
    "ssl_bench.bench": "Bench",
    "ssl_bench.use.trained": "Trained load_trained",
}
"""Module to the names that it gives; what type checkers see above, and what is loaded."""
__all__ = [
    "ELSEWHERE",
    "IMAGENET",
    "INTERRUPTED",
    "LAST_POSITION",
    "LATER",
    "REMOVED",
    "RGB",
    "VOID",
    "Backbone",
    "BackboneSpec",
    "Batch",
    "Bench",
    "CellError",
    "CellFolder",
    "Channels",
    "ClaimSpec",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "DenseTarget",
    "DownloadSpec",
    "Draws",
    "Execution",
    "Executor",
    "ExecutorConfig",
    "ExecutorSpec",
    "Files",
    "FolderDataset",
    "Forwards",
    "Found",
    "Identify",
    "Job",
    "Kind",
    "Lock",
    "Log",
    "Losses",
    "Method",
    "MethodConfig",
    "MethodSpec",
    "Metric",
    "Metrics",
    "NetworkFactory",
    "OptimizerSettings",
    "Panel",
    "Player",
    "PluginError",
    "Progress",
    "Ratio",
    "Recipe",
    "Registry",
    "RemoteFile",
    "SafeEnvironment",
    "Sample",
    "Scores",
    "Settings",
    "SslBenchError",
    "Statistics",
    "Strength",
    "Target",
    "Task",
    "TaskNetwork",
    "TaskSpec",
    "Tier",
    "Tracker",
    "TrackerSpec",
    "Trained",
    "UsageError",
    "Wanted",
    "__version__",
    "any_name",
    "collect_samples",
    "cores",
    "count_slots",
    "device_memory",
    "die_with_parent",
    "edges",
    "file_stems",
    "find_devices",
    "find_roots",
    "first_line",
    "folder_at",
    "generator_for",
    "group_devices",
    "hold_signals",
    "hookimpl",
    "in_a_line",
    "is_colored",
    "is_finished",
    "is_loss",
    "load_registry",
    "load_trained",
    "lock_of",
    "masked_mean",
    "missing_message",
    "name_hash",
    "needed_paths",
    "outcome_of",
    "own_name",
    "owner_at_work",
    "parent_name",
    "picture_files",
    "read_alpha",
    "read_colors",
    "read_json",
    "read_lines",
    "read_opacity",
    "read_picture",
    "require_inside",
    "seed_for",
    "start_cell",
    "start_fork_server",
    "subfolders",
    "suggestion",
    "survey",
    "work_on",
    "write_bytes",
    "write_json",
]


def __getattr__(name: str) -> Any:
    for module, names in FACE.items():
        if name in names.split():
            from importlib import import_module

            return getattr(import_module(module), name)
    raise AttributeError(f"module 'ssl_bench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
