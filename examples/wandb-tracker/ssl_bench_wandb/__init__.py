"""Weights & Biases for ssl-bench. wandb itself is imported by a run that asks for it, and not by `ssl-bench list`."""

from collections.abc import Iterable

from ssl_bench import TrackerSpec, hookimpl


@hookimpl
def provide_trackers() -> Iterable[TrackerSpec]:
    """`ssl-bench run --trackers wandb`."""
    return [
        TrackerSpec(
            name="wandb",
            title="Weights & Biases, offline unless WANDB_MODE says otherwise",
            tracker="ssl_bench_wandb.tracker:WandbTracker",
        )
    ]
