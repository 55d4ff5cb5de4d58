"""Settings of the methods since 2020, with the defaults of their papers' code. Torch-free.

Where code weighs a sum, the description says over what a weight's loss is a sum or a mean; all are means over the valid
pixels of the rows, kept by a gate or not. Settings for regression are this project's own: no paper has any.
"""

from typing import ClassVar, Literal

from pydantic import Field

from ssl_bench import MethodConfig, MethodSpec, Recipe, TaskSpec
from ssl_bench_plugins.methods.configs import regression_alone, short_average, symbol

Boxes = Literal["none", "half", "toggle", "aspect"]
Strength = Literal["none", "weak", "strong"]


class GatedConfig(MethodConfig):
    """Of methods in which pixels can be gated and targets hard."""

    gate_of_pictures: ClassVar[str] = "agreement"
    """The gate that regression has instead of confidence."""

    def misplaced(self, task: TaskSpec) -> str | None:
        """Agreement of a view with itself, and classes where there are none."""
        if getattr(self, "gate", None) == "agreement" and getattr(self, "weak", None) == "none":
            return "gate=agreement compares two weak views, which weak=none makes equal; set weak=weak"
        if task.kind == "classification":
            return None
        for name, value, instead in (
            ("target", "hard", "soft"),
            ("gate", "confidence", self.gate_of_pictures),
            ("gate", "rate", "none"),
            ("gate", "pixel", "none"),
        ):
            if getattr(self, name, None) == value:
                return f"{name}={value} needs classes; set {name}={instead} for this task"
        return None


class MixingConfig(GatedConfig):
    """Of methods in which rows can be mixed as well."""

    mix: Boxes = Field("none", description="boxes pasted between unlabelled rows (CutMix), by their law")

    def rows_together(self) -> int:
        """Two, where a row is mixed with the next one."""
        return 1 if self.mix == "none" else 2


class CutMixConfig(MixingConfig):
    """CutMix with a mean teacher."""

    lambda_cm: float = Field(
        1.0,
        ge=0,
        description="weight of consistency: squared error, the sum over classes (regression: the mean over outputs)",
        json_schema_extra=symbol(r"\lambda_{CM}"),
    )
    tau_cm: float = Field(
        0.97,
        ge=0,
        description="the teacher is sure from this probability on",
        json_schema_extra=symbol(r"\tau_{CM}"),
    )
    alpha_cm: float = Field(
        0.99, ge=0, lt=1, description="decay of the average", json_schema_extra=symbol(r"\alpha_{CM}")
    )
    gate: Literal["rate", "pixel", "none"] = Field(
        "rate",
        description="consistency is weighed by the share of sure pixels in the whole batch, counts on sure pixels "
        "alone, or counts as it is",
    )
    mix: Boxes = Field("half", description="boxes pasted between unlabelled rows, by their law")
    noise: Strength = Field(
        "none", description="strength of the task's own perturbation of the student's view"
    )

    kind_defaults: ClassVar = {"regression": {"gate": "none"}}
    tier_defaults: ClassVar = short_average("alpha_cm")


class WeakToStrongConfig(MixingConfig):
    """Of methods whose predictions of a weak view are targets for strong ones."""

    target: Literal["hard", "soft"] = Field("hard", description="the likeliest class, or the prediction")
    gate: Literal["confidence", "agreement", "none"] = Field(
        "confidence",
        description="pixels that count: sure ones, those on which two weak views differ least, or all",
    )
    mix: Boxes = Field("aspect", description="boxes pasted between unlabelled rows, by their law")
    weak: Strength = Field("none", description="strength of the task's own perturbation of the weak view")
    strong: Strength = Field("strong", description="the same of strong views")

    # Two equal views always agree.
    kind_defaults: ClassVar = {"regression": {"target": "soft", "gate": "agreement", "weak": "weak"}}


class FixMatchConfig(WeakToStrongConfig):
    """FixMatch for pixels, and for regression."""

    lambda_fm: float = Field(
        1.0,
        ge=0,
        description="weight of the pseudo targets' loss",
        json_schema_extra=symbol(r"\lambda_{FM}"),
    )
    tau_fm: float = Field(
        0.95,
        ge=0,
        description="a pixel is sure from this probability on",
        json_schema_extra=symbol(r"\tau_{FM}"),
    )
    alpha_fm: float = Field(
        0.996,
        ge=0,
        lt=1,
        description="decay of the average that teaches",
        json_schema_extra=symbol(r"\alpha_{FM}"),
    )
    kept_fm: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of a row's pixels that agreement keeps at first; it grows linearly to 1",
    )
    teacher: Literal["average", "self"] = Field(
        "average", description="who makes the targets: the student's moving average, or the student itself"
    )
    tier_defaults: ClassVar = short_average("alpha_fm")


class CPSConfig(MixingConfig):
    """Cross pseudo supervision, with CutMix or without."""

    lambda_cps: float = Field(
        1.5,
        ge=0,
        description="weight of each network's loss to the other's targets; the paper's is 1 with CutMix",
        json_schema_extra=symbol(r"\lambda_{CPS}"),
    )
    eta_cps: float = Field(
        0, ge=0, description="ramp-up, nominal epochs; 0: none", json_schema_extra=symbol(r"\eta_{CPS}")
    )
    target: Literal["hard", "soft"] = Field("hard", description="the likeliest class, or the prediction")
    mix: Boxes = Field(
        "none",
        description="boxes pasted between unlabelled rows, by their law; the paper's CPS + CutMix: toggle",
    )

    # Two networks that see the same images and minimise a distance have little to tell each other.
    kind_defaults: ClassVar = {
        "regression": {"lambda_cps": 1.0, "eta_cps": 5, "target": "soft", "mix": "toggle"}
    }


class STConfig(GatedConfig):
    """Self-training in two stages, ST and ST++."""

    lambda_st: float = Field(
        1.0,
        ge=0,
        description="weight of the pseudo targets' loss",
        json_schema_extra=symbol(r"\lambda_{ST}"),
    )
    alpha_st: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="decay of the average that labels",
        json_schema_extra=symbol(r"\alpha_{ST}"),
    )
    first_stage: float = Field(
        1 / 3, gt=0, lt=1, description="share of the run in which the labeller is trained"
    )
    plus: bool = Field(
        False,
        description="ST++: at first the more reliable rows alone, then targets by the student's own average",
    )
    target: Literal["hard", "soft"] = Field("hard", description="the likeliest class, or the prediction")
    strong: Strength = Field("strong", description="strength of the task's own perturbation for the student")
    cutout: bool = Field(True, description="a box of half of the rows is noise, and does not count")

    kind_defaults: ClassVar = {"regression": {"target": "soft", "cutout": False}}
    tier_defaults: ClassVar = short_average("alpha_st")

    def unsuited(self, recipe: Recipe) -> str | None:
        """A run with a stage of no step."""
        steps = round(self.first_stage * recipe.iterations)
        if 0 < steps < recipe.iterations:
            return None
        return (
            f"first_stage={self.first_stage:g} of {recipe.iterations} iterations leaves a stage without a step; set "
            "more iterations"
        )


class PrevMatchConfig(MixingConfig):
    """PrevMatch, whose previous states are taken by a schedule."""

    lambda_own: float = Field(
        1.0,
        ge=0,
        description="weight of the loss to the network's own targets",
        json_schema_extra=symbol(r"\lambda_{own}"),
    )
    lambda_pm: float = Field(
        1.0,
        ge=0,
        description="weight of previous models' targets half-way through the run; 0 at both ends",
        json_schema_extra=symbol(r"\lambda_{PM}"),
    )
    tau_pm: float = Field(
        0.95,
        ge=0,
        description="the network's own target is sure from this probability on",
        json_schema_extra=symbol(r"\tau_{PM}"),
    )
    tau_prev: float = Field(
        0.9,
        ge=0,
        description="the same of previous models' target",
        json_schema_extra=symbol(r"\tau_{prev}"),
    )
    pool: int = Field(4, ge=1, description="previous models that are kept")
    snapshots: int = Field(7, ge=1, description="previous models in all, evenly spaced over the run")
    kept_pm: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of a row's pixels that spread keeps at first; it grows linearly to 1",
    )
    target: Literal["hard", "soft"] = Field("hard", description="the likeliest class, or the prediction")
    gate: Literal["confidence", "spread"] = Field(
        "confidence", description="pixels that count: sure ones, or those on which models differ least"
    )
    mix: Boxes = Field("aspect", description="boxes pasted between unlabelled rows, by their law")
    strong: Strength = Field("strong", description="strength of the task's own perturbation of both views")

    gate_of_pictures: ClassVar = "spread"
    kind_defaults: ClassVar = {"regression": {"target": "soft", "gate": "spread"}}


class BankConfig(MethodConfig):
    """The reliable bank, for regression alone."""

    lambda_rb: float = Field(
        0.2,
        ge=0,
        description="weight of the absolute difference to the bank, the mean over outputs",
        json_schema_extra=symbol(r"\lambda_{RB}"),
    )
    alpha_rb: float = Field(
        0.996,
        ge=0,
        lt=1,
        description="decay of the average of which snapshots are taken",
        json_schema_extra=symbol(r"\alpha_{RB}"),
    )
    snapshots: int = Field(
        4, ge=1, description="states of the average in the bank, evenly spaced over the run"
    )
    weak: Strength = Field(
        "weak", description="strength of the task's own perturbation of the bank's two views"
    )
    strong: Strength = Field("strong", description="the same of the student's")

    tier_defaults: ClassVar = short_average("alpha_rb")

    def misplaced(self, task: TaskSpec) -> str | None:
        """Two views that are one."""
        if self.weak == "none":
            return "the bank goes by how two weak views differ, which weak=none makes equal; set weak=weak"
        return None


_HERE = "ssl_bench_plugins.methods"

MODERN_METHODS = (
    MethodSpec(
        name="cutmix",
        title="CutMix-MT",
        method=f"{_HERE}.cutmix:CutMix",
        config=CutMixConfig,
        reference="French, G., Laine, S., Aila, T., Mackiewicz, M., Finlayson, G.: Semi-supervised semantic "
        "segmentation needs strong, varied perturbations. In: BMVC (2020)",
        position=60,
        check_with={"tau_cm": 0.4},
    ),
    MethodSpec(
        name="cps",
        title="CPS",
        method=f"{_HERE}.cps:CPS",
        config=CPSConfig,
        reference="Chen, X., Yuan, Y., Zeng, G., Wang, J.: Semi-supervised semantic segmentation with cross pseudo "
        "supervision. In: CVPR (2021)",
        position=62,
    ),
    MethodSpec(
        name="fixmatch",
        title="FixMatch",
        method=f"{_HERE}.fixmatch:FixMatch",
        config=FixMatchConfig,
        reference="Sohn, K., Berthelot, D., Li, C.L., Zhang, Z., Carlini, N., Cubuk, E.D., Kurakin, A., Zhang, H., "
        "Raffel, C.: FixMatch: Simplifying semi-supervised learning with consistency and confidence. In: NeurIPS "
        "(2020)",
        position=64,
        check_with={"tau_fm": 0.4},
    ),
    MethodSpec(
        name="st",
        title="ST",
        method=f"{_HERE}.self_training:SelfTraining",
        config=STConfig,
        reference="Yang, L., Zhuo, W., Qi, L., Shi, Y., Gao, Y.: ST++: Make self-training work better for "
        "semi-supervised semantic segmentation. In: CVPR (2022)",
        position=66,
    ),
    MethodSpec(
        name="prevmatch",
        title="PrevMatch",
        method=f"{_HERE}.prevmatch:PrevMatch",
        config=PrevMatchConfig,
        reference="Shin, W., Park, H.J., Kim, J.S., Han, S.W.: Revisiting and maximizing temporal knowledge in "
        "semi-supervised semantic segmentation. In: WACV (2025)",
        position=68,
        check_with={"tau_pm": 0.4, "tau_prev": 0.4},
    ),
    MethodSpec(
        name="bank",
        title="Bank",
        method=f"{_HERE}.bank:Bank",
        config=BankConfig,
        reference="Huang, S., Wang, K., Liu, H., Chen, J., Li, Y.: Contrastive semi-supervised learning for "
        "underwater image restoration via reliable bank. In: CVPR (2023)",
        position=70,
        unsupported=regression_alone("a bank rates restored images; for classes take PrevMatch"),
    ),
)
