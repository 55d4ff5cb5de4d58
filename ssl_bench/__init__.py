"""ssl-bench: a plugin-based benchmark for pixel-wise semi-supervised learning.

    import ssl_bench
    bench = ssl_bench.Bench("runs")
    plan = bench.plan(tasks="segmentation", methods=["supervised", "mt"])
    frame = bench.run(plan)

The class is loaded when it is first asked for: `import ssl_bench` is instant, and free of torch.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""As in `typing`, which is not imported: under `python -m ssl_bench` the working folder is still on the path here."""
if TYPE_CHECKING:
    from typing import Any

    from ssl_bench.bench import Bench

__version__ = "0.1.0"
__all__ = ["Bench", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Bench":
        from ssl_bench.bench import Bench

        return Bench
    raise AttributeError(f"module 'ssl_bench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
