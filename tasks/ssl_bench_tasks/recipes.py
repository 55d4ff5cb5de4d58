"""What recipes of a task have beside the engine's. Torch-free."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from ssl_bench import LATER, Recipe, Settings


class ClassLoss(Settings):
    """The supervised loss of classes, the same for every method."""

    class_weights: Literal["none", "inverse_frequency"] = Field(
        "none", description="weight of a pixel by its class's share of the labelled images' pixels"
    )
    ohem: float = Field(
        1.0,
        gt=0,
        le=1,
        description="cross-entropy is the mean over a row's pixels whose class has at most this probability; 1: all",
    )
    ohem_kept: float = Field(
        0.15, gt=0, le=1, description="the share of a row's pixels, its hardest ones, that counts in any case"
    )
    dice: float = Field(
        0.0,
        ge=0,
        description="weight of the Dice loss, the mean over the classes that a row has, and over rows",
    )


class SegmentationRecipe(Recipe):
    """A recipe with losses for classes of which some are rare."""

    loss: ClassLoss = Field(ClassLoss(), description="terms and weights of the loss on labelled pixels")

    later: ClassVar[Mapping[str, Any]] = {
        **LATER,
        **{f"loss.{name}": default for name, default in ClassLoss().model_dump(mode="json").items()},
        "loss": {},
    }
