"""Built-in trackers: event files of TensorBoard. Torch-free."""

from collections.abc import Iterable

from ssl_bench import TrackerSpec, hookimpl


@hookimpl
def provide_trackers() -> Iterable[TrackerSpec]:
    """Curves in TensorBoard, where its extra is installed."""
    return [
        TrackerSpec(
            name="tensorboard",
            title="curves for TensorBoard, in each cell's folder (extra: tensorboard)",
            tracker="ssl_bench_plugins.trackers.tensorboard:TensorBoardTracker",
            install="pip install 'ssl-bench[tensorboard]'",
        )
    ]
