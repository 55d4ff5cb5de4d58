"""Settings of the methods that are not in the paper's own list. Torch-free."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field

from ssl_bench import Found, MethodConfig, MethodSpec, TaskSpec, Tier
from ssl_bench_plugins.methods.lite_settings import searched


def symbol(latex: str) -> dict[str, Any]:
    """What makes a field a hyper-parameter of the generated table: its name there, in LaTeX without dollars."""
    return {"symbol": latex}


def short_average(alpha: str) -> dict[Tier, dict[str, Found]]:
    """Tier defaults of a method's decay of moving averages, a field of its config: 0.9 in the small tiers.

    Published decays average over a hundred steps or more, a small part of a published run and most of a small one.
    """
    kinds = {kind: Found({alpha: 0.9}) for kind in ("classification", "regression")}
    return {"smoke": kinds, "lite": kinds}


def regression_alone(reason: str) -> Callable[[TaskSpec], str | None]:
    """Why a method cannot serve classes, as `MethodSpec.unsupported` takes it."""
    return lambda task: reason if task.kind == "classification" else None


class SupervisedConfig(MethodConfig):
    """Supervised learning has no setting of its own."""


class MeanTeacherConfig(MethodConfig):
    """Mean Teacher, with the defaults of the GCT paper's appendix C."""

    lambda_mt: float = Field(
        1.0, ge=0, description="weight of consistency", json_schema_extra=symbol(r"\lambda_{MT}")
    )
    eta_mt: float = Field(
        5, ge=0, description="ramp-up, nominal epochs", json_schema_extra=symbol(r"\eta_{MT}")
    )
    alpha_mt: float = Field(
        0.99, ge=0, lt=1, description="decay of the average", json_schema_extra=symbol(r"\alpha_{MT}")
    )
    space: Literal["probabilities", "logits"] = Field(
        "probabilities",
        description="where predictions agree; the logits of a matte have no bound, nor has their error",
    )
    noise: Literal["none", "weak", "strong"] = Field(
        "weak", description="strength of the task's own perturbation of both views"
    )

    # Classes survive strong colour changes, and weak ones leave little to be consistent about. A restored image does
    # not: a strongly perturbed input makes the teacher's target noisier.
    kind_defaults: ClassVar = {"classification": {"eta_mt": 3, "noise": "strong"}}
    tier_defaults: ClassVar = searched("mt", short_average("alpha_mt"))


class ControlConfig(MeanTeacherConfig):
    """Mean Teacher that learns nothing from unlabelled images: the weight of consistency is 0, and stays so."""

    lambda_mt: float = Field(
        0.0, ge=0, le=0, description="weight of consistency", json_schema_extra=symbol(r"\lambda_{MT}")
    )
    # Without their symbols, which tables of hyper-parameters show: neither changes anything where the weight is 0.
    eta_mt: float = Field(5, ge=0, description="ramp-up of nothing, nominal epochs")
    space: Literal["probabilities", "logits"] = Field(
        "probabilities", description="where predictions would agree"
    )

    # What a search finds for Mean Teacher holds for its control, but for the weight and the number of trials.
    tier_defaults: ClassVar = {
        tier: {
            name: Found({key: value for key, value in found.settings.items() if key != "lambda_mt"})
            for name, found in of_tier.items()
        }
        for tier, of_tier in MeanTeacherConfig.tier_defaults.items()
    }


METHODS = (
    MethodSpec(
        name="supervised",
        title="SupOnly",
        method="ssl_bench_plugins.methods.supervised:Supervised",
        config=SupervisedConfig,
        role="baseline",
        uses_unlabeled=False,
        position=10,
    ),
    MethodSpec(
        name="control",
        title="Control (MT, λ = 0)",
        method="ssl_bench_plugins.methods.mean_teacher:MeanTeacher",
        config=ControlConfig,
        role="control",
        position=15,
    ),
    MethodSpec(
        name="mt",
        title="MT",
        method="ssl_bench_plugins.methods.mean_teacher:MeanTeacher",
        config=MeanTeacherConfig,
        reference="Tarvainen, A., Valpola, H.: Mean teachers are better role models: Weight-averaged consistency "
        "targets improve semi-supervised deep learning results. In: NeurIPS (2017)",
        grids={"appendix": {"eta_mt": (3, 5)}},
        position=20,
    ),
    MethodSpec(
        name="full",
        title="Full",
        method="ssl_bench_plugins.methods.supervised:Supervised",
        config=SupervisedConfig,
        role="upper_bound",
        labels="all",
        uses_unlabeled=False,
        position=90,
    ),
)
