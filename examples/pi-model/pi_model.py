"""Pi-Model. Laine and Aila, Temporal Ensembling for Semi-Supervised Learning, ICLR 2017, arXiv:1610.02242."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from pydantic import Field
from torch import nn

from ssl_bench import (
    Batch,
    Losses,
    Method,
    MethodConfig,
    MethodSpec,
    NetworkFactory,
    Player,
    Progress,
    Task,
    hookimpl,
    masked_mean,
)
from ssl_bench.toolbox import ramp_up


class PiConfig(MethodConfig):
    lambda_pi: float = Field(
        1.0, ge=0, description="weight of consistency", json_schema_extra={"symbol": r"\lambda_{\Pi}"}
    )
    eta_pi: float = Field(
        5, ge=0, description="ramp-up, nominal epochs", json_schema_extra={"symbol": r"\eta_{\Pi}"}
    )


class PiModel(Method):
    def __init__(self, task: Task, config: PiConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.model = build_network()

    @property
    def deployed(self) -> nn.Module:
        return self.model

    def players(self) -> Mapping[str, Player]:
        return {"model": Player(self.model)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        views = [self.task.perturb(batch.unlabeled_images, progress.draws) for _ in range(2)]
        rows = torch.cat([batch.labeled_images, *views])
        logits = progress.forward(self.model, rows, batch.labeled)
        count = len(batch.unlabeled_images)
        labeled, first, second = logits.split([batch.labeled, count, count])
        error = (self.task.activate(first) - self.task.activate(second)) ** 2
        weight = self.config.lambda_pi * ramp_up(
            progress.step, self.config.eta_pi * progress.iterations_per_epoch
        )
        yield {
            "model": {
                "task": self.task.loss(labeled, batch.targets),
                "consistency": weight * masked_mean(error, batch.unlabeled_valid),
            }
        }


@hookimpl
def provide_methods() -> Iterable[MethodSpec]:
    return [
        MethodSpec(
            name="pi",
            title="Pi-Model",
            method=PiModel,
            config=PiConfig,
            reference="Laine, S., Aila, T.: Temporal ensembling for semi-supervised learning. In: ICLR (2017)",
        )
    ]
