"""How a cell is computed, not what it computes: precision, memory layout, compilation, division. Torch-free."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from ssl_bench.recipe import Settings

Precision = Literal["fp32", "bf16"]


class Execution(Settings):
    """What changes speed and memory, and rounding with them: scores of different executions share no column."""

    precision: Precision = Field(
        "fp32", description="of networks in training; losses, targets and all of evaluation are float32"
    )
    channels_last: bool = Field(False, description="keep images and weights as (N, H, W, C) in memory")
    compile: bool = Field(False, description="networks through torch.compile, or as they are where it fails")
    micro_batches: int = Field(1, ge=1, description="parts that a batch is taken in, their gradients summed")
    processes: int = Field(1, ge=1, description="that share the rows of a batch")

    def chosen(self) -> dict[str, Any]:
        """What differs from the plain form; empty for that: a cell's identity holds no more."""
        return self.model_dump(mode="json", exclude_defaults=True)


PLAIN = Execution()


def in_words(chosen: Mapping[str, Any]) -> str:
    """`bf16, channels last, compile` for what `Execution.chosen` gave; `plain` for nothing."""
    texts = []
    for name, value in sorted(chosen.items()):
        words = str(name).replace("_", " ")
        texts.append(words if value is True else str(value) if name == "precision" else f"{value} {words}")
    return ", ".join(texts) or "plain"
