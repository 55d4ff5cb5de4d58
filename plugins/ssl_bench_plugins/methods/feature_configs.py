"""Settings of the methods that take something away from a network's features, with the defaults of their papers' code.
Torch-free. Settings for regression, but for UCVME's, are this project's own.
"""

from typing import ClassVar

from pydantic import Field

from ssl_bench import MethodConfig, MethodSpec
from ssl_bench_plugins.methods.configs import regression_alone, short_average, symbol
from ssl_bench_plugins.methods.modern_configs import WeakToStrongConfig


class FeaturesConfig(MethodConfig):
    """Of methods that cannot do without features."""

    def without_features(self) -> str | None:
        """Why there is nothing to learn without them: they are what the method changes."""
        return "the method takes some of them away; name another by --backbones"


class DroppingConfig(WeakToStrongConfig, FeaturesConfig):
    """Of both forms of UniMatch."""

    levels: int = Field(
        0, ge=0, description="levels of features that lose channels, from the deepest on; 0: all"
    )

    # The upper levels hold the details of a picture, which nobody can restore without them.
    kind_defaults: ClassVar = {"regression": {**WeakToStrongConfig.kind_defaults["regression"], "levels": 2}}


class UniMatchConfig(DroppingConfig):
    """UniMatch, by its code's defaults for classes."""

    lambda_um: float = Field(
        0.5,
        ge=0,
        description="weight of the strong views' loss, the mean over both",
        json_schema_extra=symbol(r"\lambda_{UM}"),
    )
    lambda_fp: float = Field(
        0.5,
        ge=0,
        description="weight of the loss of the weak view with dropped features",
        json_schema_extra=symbol(r"\lambda_{fp}"),
    )
    tau_um: float = Field(
        0.95,
        ge=0,
        description="a pixel is sure from this probability on",
        json_schema_extra=symbol(r"\tau_{UM}"),
    )
    rate: float = Field(0.5, ge=0, lt=1, description="share of the features' channels that is dropped")
    kept_um: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of a row's pixels that agreement keeps at first; it grows linearly to 1",
    )


class UniMatch2Config(DroppingConfig):
    """UniMatch V2, by its code's defaults for classes."""

    lambda_um2: float = Field(
        1.0,
        ge=0,
        description="weight of the strong views' loss, the mean over both",
        json_schema_extra=symbol(r"\lambda_{UM2}"),
    )
    tau_um2: float = Field(
        0.95,
        ge=0,
        description="a pixel is sure from this probability on",
        json_schema_extra=symbol(r"\tau_{UM2}"),
    )
    alpha_um2: float = Field(
        0.996,
        ge=0,
        lt=1,
        description="decay of the average that teaches",
        json_schema_extra=symbol(r"\alpha_{UM2}"),
    )
    complementary: bool = Field(True, description="either view has channels that the other one lacks")
    kept_um2: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of a row's pixels that agreement keeps at first; it grows linearly to 1",
    )

    tier_defaults: ClassVar = short_average("alpha_um2")


class CCTConfig(FeaturesConfig):
    """Cross-consistency training, with three perturbations of features."""

    lambda_cct: float = Field(
        30.0,
        ge=0,
        description="weight of the auxiliary decoders' squared error, the mean over decoders and classes or outputs",
        json_schema_extra=symbol(r"\lambda_{CCT}"),
    )
    ramp_cct: float = Field(0.1, ge=0, le=1, description="ramp-up, share of the run; 0: none")
    decoders: int = Field(1, ge=1, description="auxiliary decoders of each of the three perturbations")
    rate: float = Field(0.5, ge=0, lt=1, description="share of the features' channels that is dropped")
    noise: float = Field(0.3, ge=0, description="largest change of a feature by noise, times its value")
    levels: int = Field(
        0, ge=0, description="levels of features that are perturbed, from the deepest on; 0: all"
    )

    kind_defaults: ClassVar = {"regression": {"lambda_cct": 1.0, "levels": 2}}


class UCVMEConfig(FeaturesConfig):
    """UCVME: uncertainty-consistent variational model ensembling, for regression."""

    lambda_uc: float = Field(
        10.0,
        ge=0,
        description="weight of unlabelled rows, the mean over outputs",
        json_schema_extra=symbol(r"\lambda_{UC}"),
    )
    sigma_uc: float = Field(
        0.25,
        gt=0,
        description="standard deviation that labels are taken to have, in which errors are measured",
        json_schema_extra=symbol(r"\sigma_{UC}"),
    )
    passes: int = Field(5, ge=1, description="predictions of either network that targets are the mean of")
    rate: float = Field(
        0.05, ge=0, lt=1, description="share of the features' channels that each of them lacks"
    )


_HERE = "ssl_bench_plugins.methods"

FEATURE_METHODS = (
    MethodSpec(
        name="cct",
        title="CCT",
        method=f"{_HERE}.cct:CCT",
        config=CCTConfig,
        reference="Ouali, Y., Hudelot, C., Tami, M.: Semi-supervised semantic segmentation with cross-consistency "
        "training. In: CVPR (2020)",
        position=61,
    ),
    MethodSpec(
        name="unimatch",
        title="UniMatch",
        method=f"{_HERE}.unimatch:UniMatch",
        config=UniMatchConfig,
        reference="Yang, L., Qi, L., Feng, L., Zhang, W., Shi, Y.: Revisiting weak-to-strong consistency in "
        "semi-supervised semantic segmentation. In: CVPR (2023)",
        position=65,
        check_with={"tau_um": 0.4},
    ),
    MethodSpec(
        name="unimatch2",
        title="UniMatch V2",
        method=f"{_HERE}.unimatch2:UniMatch2",
        config=UniMatch2Config,
        reference="Yang, L., Zhao, Z., Zhao, H.: UniMatch V2: Pushing the limit of semi-supervised semantic "
        "segmentation. IEEE Trans. Pattern Anal. Mach. Intell. (2025)",
        position=65,
        check_with={"tau_um2": 0.4},
    ),
    MethodSpec(
        name="ucvme",
        title="UCVME",
        method=f"{_HERE}.ucvme:UCVME",
        config=UCVMEConfig,
        reference="Dai, W., Li, X., Cheng, K.T.: Semi-supervised deep regression with uncertainty consistency and "
        "variational model ensembling via Bayesian neural networks. In: AAAI (2023)",
        position=71,
        unsupported=regression_alone("UCVME learns the variance of a number; a class has none"),
        # At the rate of plain squared errors.
        check_with={"lambda_uc": 1.0, "sigma_uc": 1.0},
    ),
)
