"""Built-in methods. Torch-free: the classes are named, not imported."""

from collections.abc import Iterable

from ssl_bench import MethodSpec, hookimpl
from ssl_bench_plugins.methods.configs import METHODS
from ssl_bench_plugins.methods.feature_configs import FEATURE_METHODS
from ssl_bench_plugins.methods.labeled_configs import LABELED_METHODS
from ssl_bench_plugins.methods.modern_configs import MODERN_METHODS
from ssl_bench_plugins.methods.paper_configs import PAPER_METHODS


@hookimpl
def provide_methods() -> Iterable[MethodSpec]:
    """Supervised baselines, the methods of the GCT paper, and those that came after it."""
    return [*METHODS, *LABELED_METHODS, *PAPER_METHODS, *MODERN_METHODS, *FEATURE_METHODS]
