"""Settings of baselines that learn from labelled images alone, and differ in what of the encoder learns. Torch-free."""

from pydantic import Field

from ssl_bench import MethodConfig, MethodSpec
from ssl_bench_plugins.methods.configs import symbol


class FrozenConfig(MethodConfig):
    """Supervised learning on an encoder that stays as it is."""

    def without_pretrained_encoder(self) -> str | None:
        """Random weights are nothing to keep."""
        return (
            "there is nothing to keep; take a network with a pretrained encoder (--backbones, --pretrained)"
        )

    def with_frozen_encoder(self) -> str | None:
        """Every method is that then, and this one is plain supervised learning."""
        return "this row would be supervised learning once more; leave it out, or set encoder=train"


class LoRAConfig(FrozenConfig):
    """Low-rank adaptation of an encoder."""

    rank: int = Field(
        8, ge=1, description="of the change of a layer's weight", json_schema_extra=symbol("r_{LoRA}")
    )
    alpha_lora: float = Field(
        8.0,
        gt=0,
        description="the change counts α / r times",
        json_schema_extra=symbol(r"\alpha_{LoRA}"),
    )

    def with_frozen_encoder(self) -> str | None:
        """What is to stay is what it changes."""
        return "this row would change it all the same; leave it out, or set encoder=train"


LABELED_METHODS = (
    MethodSpec(
        name="frozen-encoder",
        title="SupOnly, frozen encoder",
        method="ssl_bench_plugins.methods.frozen_encoder:FrozenEncoder",
        config=FrozenConfig,
        role="baseline",
        uses_unlabeled=False,
        position=11,
    ),
    MethodSpec(
        name="lora",
        title="SupOnly, LoRA",
        method="ssl_bench_plugins.methods.lora:LoRA",
        config=LoRAConfig,
        reference="Hu, E.J., Shen, Y., Wallis, P., Allen-Zhu, Z., Li, Y., Wang, S., Wang, L., Chen, W.: LoRA: Low-rank "
        "adaptation of large language models. In: ICLR (2022)",
        role="baseline",
        uses_unlabeled=False,
        position=12,
        # A toy's layers are as narrow as the default rank.
        check_with={"rank": 4},
    ),
)
