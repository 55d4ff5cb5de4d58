"""Settings of the methods since 2020, with the defaults of their papers' code. Torch-free.

Where code weighs a sum, the description says over what a weight's loss is a sum or a mean; all are means over the valid
pixels of the rows, kept by a gate or not. Settings for regression are this project's own: no paper has any.
"""

from typing import Any, ClassVar, Literal

from pydantic import Field

from ssl_bench.specs import MethodConfig, MethodSpec, TaskSpec

Boxes = Literal["none", "half", "toggle", "aspect"]
Strength = Literal["none", "weak", "strong"]


def _symbol(latex: str) -> dict[str, Any]:
    return {"symbol": latex}


class _Mixing(MethodConfig):
    """What can be mixed, gated and hard."""

    mix: Boxes = Field("none", description="boxes pasted between unlabelled rows (CutMix), by their law")

    def rows_together(self) -> int:
        """Two, where a row is mixed with the next one."""
        return 1 if self.mix == "none" else 2

    def misplaced(self, task: TaskSpec) -> str | None:
        """Classes where there are none."""
        if task.kind == "classification":
            return None
        for name, value, instead in (
            ("target", "hard", "soft"),
            ("gate", "confidence", "agreement"),
            ("gate", "rate", "none"),
            ("gate", "pixel", "none"),
        ):
            if getattr(self, name, None) == value:
                return f"{name}={value} needs classes; set {name}={instead} for this task"
        return None


class CutMixConfig(_Mixing):
    """CutMix with a mean teacher."""

    lambda_cm: float = Field(
        1.0,
        ge=0,
        description="weight of consistency: squared error, the sum over classes (regression: the mean over outputs)",
        json_schema_extra=_symbol(r"\lambda_{CM}"),
    )
    tau_cm: float = Field(
        0.97,
        ge=0,
        description="the teacher is sure from this probability on",
        json_schema_extra=_symbol(r"\tau_{CM}"),
    )
    alpha_cm: float = Field(
        0.99, ge=0, lt=1, description="decay of the average", json_schema_extra=_symbol(r"\alpha_{CM}")
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


class FixMatchConfig(_Mixing):
    """FixMatch for pixels."""

    lambda_fm: float = Field(
        1.0,
        ge=0,
        description="weight of the pseudo targets' loss",
        json_schema_extra=_symbol(r"\lambda_{FM}"),
    )
    tau_fm: float = Field(
        0.95,
        ge=0,
        description="a pixel is sure from this probability on",
        json_schema_extra=_symbol(r"\tau_{FM}"),
    )
    alpha_fm: float = Field(
        0.996,
        ge=0,
        lt=1,
        description="decay of the average that teaches",
        json_schema_extra=_symbol(r"\alpha_{FM}"),
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
    target: Literal["hard", "soft"] = Field("hard", description="the likeliest class, or the prediction")
    gate: Literal["confidence", "agreement", "none"] = Field(
        "confidence",
        description="pixels that count: sure ones, those on which two weak views differ least, or all",
    )
    mix: Boxes = Field("aspect", description="boxes pasted between unlabelled rows, by their law")
    weak: Strength = Field("none", description="strength of the task's own perturbation for the teacher")
    strong: Strength = Field("strong", description="the same for the student")

    # Two equal views always agree.
    kind_defaults: ClassVar = {"regression": {"target": "soft", "gate": "agreement", "weak": "weak"}}

    def misplaced(self, task: TaskSpec) -> str | None:
        """Agreement of a view with itself, as well."""
        if self.gate == "agreement" and self.weak == "none":
            return "gate=agreement compares two weak views, which weak=none makes equal; set weak=weak"
        return super().misplaced(task)


class CPSConfig(_Mixing):
    """Cross pseudo supervision."""

    lambda_cps: float = Field(
        1.5,
        ge=0,
        description="weight of each network's loss to the other's targets; the paper's is 1 with CutMix",
        json_schema_extra=_symbol(r"\lambda_{CPS}"),
    )
    eta_cps: float = Field(
        0, ge=0, description="ramp-up, nominal epochs; 0: none", json_schema_extra=_symbol(r"\eta_{CPS}")
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
)
