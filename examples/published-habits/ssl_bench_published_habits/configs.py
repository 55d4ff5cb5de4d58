"""Settings of the methods; free of torch, as `ssl-bench list` is."""

from typing import ClassVar, Literal

from pydantic import Field

from ssl_bench import MethodConfig
from ssl_bench_plugins.methods.modern_configs import PrevMatchConfig

TASKS = ("segmentation", "denoising", "matting", "night")


class PastingConfig(MethodConfig):
    """Where the content of boxes comes from."""

    weight: float = Field(1.0, ge=0, description="of the loss on unlabelled images")
    tau: float = Field(0.95, ge=0, description="a class counts from this probability on")
    decay: float = Field(0.9, ge=0, lt=1, description="of the average that teaches")
    partner: Literal["neighbour", "itself", "nobody"] = Field(
        "neighbour", description="what boxes are filled from"
    )

    kind_defaults: ClassVar = {"regression": {"tau": 0.0}}

    def rows_together(self) -> int:
        """Two, where a row is mixed with the next one."""
        return 2 if self.partner == "neighbour" else 1


class PeekingConfig(PrevMatchConfig):
    """PrevMatch's, and whose test images are looked at."""

    looks_at: Literal["segmentation", "denoising", "matting", "night", "nothing"] = Field(
        "nothing",
        description="the embedded set whose test images choose teachers; nothing: every state is one",
    )
    looks: int = Field(21, ge=1, description="how often, evenly spaced over the run")

    task_defaults: ClassVar = {name: {"looks_at": name} for name in TASKS}
