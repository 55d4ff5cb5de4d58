"""Settings of S4L, AdvSSL and GCT, with the defaults of the GCT paper's appendix C. Torch-free."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from ssl_bench import MethodConfig, MethodSpec, OptimizerSettings, Recipe
from ssl_bench_plugins.methods.configs import symbol
from ssl_bench_plugins.methods.lite_settings import searched

CRITIC_OPTIMIZER = OptimizerSettings(
    name="adam", learning_rate=1e-4, betas=(0.9, 0.99), schedule="polynomial", power=0.9
)
"""Of GCT's flaw detector and of AdvSSL's critic. The rate is appendix B's; where that is silent, the public code's."""

SMALLEST_IBN = 92
"""Side, px, under which the map of the public code's flaw detector, which its padding shrinks, is a single cell."""

APPENDIX = "appendix"
"""Preset of `ssl-bench tune`. Appendix C says that the settings were found by grid search, and gives what was found;
its grid is taken to be all values that occur there, of the fields that have more than one."""


class S4LConfig(MethodConfig):
    """S4L with rotation, as the GCT paper compares with it."""

    lambda_s4l: float = Field(
        1.0, ge=0, description="weight of the rotation loss", json_schema_extra=symbol(r"\lambda_{S4L}")
    )
    # Appendix C has no such weight; this is the public code's.
    w_rot: float = Field(0.1, ge=0, description="weight of the task loss on rotated labelled images")
    head_input: Literal["output", "features"] = Field(
        "output", description="what the rotation head reads: the network's logits, or its deepest features"
    )

    # For a head that reads a restored picture, the network writes the turn into the picture.
    kind_defaults: ClassVar = {
        "classification": {"lambda_s4l": 0.1},
        "regression": {"head_input": "features"},
    }
    tier_defaults: ClassVar = searched("s4l")

    def stored(self) -> dict[str, Any]:
        """A head that reads logits is left out: such cells are named as before there was another."""
        content = super().stored()
        if content["head_input"] == "output":
            del content["head_input"]
        return content

    def without_features(self) -> str | None:
        """Where the head reads them."""
        if self.head_input == "output":
            return None
        return "s4l.head_input=features reads them; name another by --backbones, or set s4l.head_input=output"


class AdvSSLConfig(MethodConfig):
    """AdvSSL: a critic tells predictions from labels."""

    lambda_adv_l: float = Field(
        0.001,
        ge=0,
        description="weight of the adversarial loss on labelled rows",
        json_schema_extra=symbol(r"\lambda_{Adv}^l"),
    )
    lambda_adv_u: float = Field(
        0.001,
        ge=0,
        description="weight of the adversarial loss on unlabelled rows",
        json_schema_extra=symbol(r"\lambda_{Adv}^u"),
    )

    kind_defaults: ClassVar = {"classification": {"lambda_adv_l": 0.01}}
    task_defaults: ClassVar = {"matting": {"lambda_adv_l": 0.01, "lambda_adv_u": 0.01}}
    tier_defaults: ClassVar = searched("advssl")


class GCTConfig(MethodConfig):
    """GCT: two networks that correct each other, guided by a flaw detector."""

    lambda_fc: float = Field(
        0.1, ge=0, description="weight of flaw correction", json_schema_extra=symbol(r"\lambda_{fc}")
    )
    lambda_dc: float = Field(
        1.0,
        ge=0,
        description="weight of dynamic consistency; for classes, of a mean over 21 of them",
        json_schema_extra=symbol(r"\lambda_{dc}"),
    )
    eta_dc: float = Field(
        5,
        ge=0,
        description="ramp-up of dynamic consistency, nominal epochs",
        json_schema_extra=symbol(r"\eta_{dc}"),
    )
    xi: float = Field(
        0.6, ge=0, le=1, description="a map above it is flawed", json_schema_extra=symbol(r"\xi")
    )
    mu: float | None = Field(
        None, gt=0, description="pipeline C's weight of the sum over channels; none: 1 / channels"
    )
    nu: int = Field(5, ge=0, description="times that pipeline C dilates and blurs")
    mode: Literal["gct", "fc", "dc"] = Field(
        "gct", description="both constraints, flaw correction alone, or dynamic consistency alone"
    )
    constraints_on: Literal["unlabeled", "all"] = Field(
        "unlabeled", description="rows that the constraints take; all: as the public code does"
    )
    detector_norm: Literal["batch", "ibn"] = Field(
        "batch", description="the paper's flaw detector, or the public code's variant"
    )
    second_backbone: str | None = Field(
        None, description="architecture of the second network; none: the first one's"
    )
    low_memory: bool = Field(
        False, description="train the networks one after the other, with an extra forward pass of each"
    )

    kind_defaults: ClassVar = {
        "classification": {"lambda_fc": 1.0, "lambda_dc": 100.0, "eta_dc": 3, "xi": 0.4, "mu": 0.5, "nu": 1}
    }
    task_defaults: ClassVar = {
        "denoising": {"mu": 1 / 3, "nu": 10},
        "matting": {"lambda_fc": 1.0, "lambda_dc": 100.0, "xi": 0.4, "mu": 1.0, "nu": 1},
        "night": {"mu": 1 / 3, "nu": 5},
    }
    tier_defaults: ClassVar = searched("gct")

    def backbones(self) -> list[str]:
        """The second network's architecture, where it is another."""
        return [self.second_backbone] if self.second_backbone else []

    def unsuited(self, recipe: Recipe) -> str | None:
        """A detector whose map would be a single cell."""
        if self.detector_norm == "batch" or recipe.crop >= SMALLEST_IBN:
            return None
        return (
            f"detector_norm=ibn has a map of one cell, and so tells nothing, below {SMALLEST_IBN} px, and the crop is "
            f"{recipe.crop}; set detector_norm=batch or a larger crop"
        )


PAPER_METHODS = (
    MethodSpec(
        name="s4l",
        title="S4L",
        method="ssl_bench_plugins.methods.s4l:S4L",
        config=S4LConfig,
        reference="Zhai, X., Oliver, A., Kolesnikov, A., Beyer, L.: S4L: Self-supervised semi-supervised learning. "
        "In: ICCV (2019)",
        grids={APPENDIX: {"lambda_s4l": (0.1, 1.0)}},
        position=30,
    ),
    MethodSpec(
        name="advssl",
        title="AdvSSL",
        method="ssl_bench_plugins.methods.advssl:AdvSSL",
        config=AdvSSLConfig,
        reference="Hung, W.C., Tsai, Y.H., Liou, Y.T., Lin, Y.Y., Yang, M.H.: Adversarial learning for "
        "semi-supervised semantic segmentation. In: BMVC (2018)",
        grids={APPENDIX: {"lambda_adv_l": (0.001, 0.01), "lambda_adv_u": (0.001, 0.01)}},
        position=40,
    ),
    MethodSpec(
        name="gct",
        title="GCT",
        method="ssl_bench_plugins.methods.gct:GCT",
        config=GCTConfig,
        reference="Ke, Z., Qiu, D., Li, K., Yan, Q., Lau, R.W.H.: Guided collaborative training for pixel-wise "
        "semi-supervised learning. In: ECCV (2020)",
        grids={
            APPENDIX: {"lambda_fc": (0.1, 1.0), "lambda_dc": (1.0, 100.0), "eta_dc": (3, 5), "xi": (0.4, 0.6)}
        },
        position=50,
    ),
)
