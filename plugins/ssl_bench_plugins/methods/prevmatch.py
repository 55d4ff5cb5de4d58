"""PrevMatch: previous models of the network teach beside it.

Shin, Park, Kim and Han, Revisiting and Maximizing Temporal Knowledge in Semi-supervised Semantic Segmentation, WACV
2025, https://arxiv.org/abs/2405.20610.

    L = 2 / (2 + l) (task(S(x_l), y) + lambda_own L_u(T(S(x_u)), tau_PM) + l L_u(T(sum_i w_i S_i(x_u)), tau_prev))
    L_u(q, tau): mean over two strong views of sum of CE(S(mix(s(x_u))), argmax mix(q)) mix(max q >= tau) / valid pixels

S_i are 1, 2 or 3 previous states, drawn at each step, in evaluation mode; w ~ Dirichlet(1, ..., 1) weighs their
logits. l = lambda_PM times a triangle over the run, 1 half-way, and 0 while there is no previous state. Of unlabelled
images the network's own target comes from its pass with the labelled rows, and both strong views share a pass. The
network itself is deployed.

Deviations: the code adds a state whenever the score on the reported set is a new best, so that test labels choose the
teachers; here states are taken at fixed steps, evenly spaced, and the oldest makes place. Its stream of dropped
features is left out, and the two views take its weight. Its loss is halved; here the labelled loss weighs 1 while
there is no previous state. It weighs by mean confidence for Cityscapes, which multiplies by the size of the batch;
here never. The triangle rises with steps, not epochs. Rows 2i and 2i + 1 are mixed; the code mixes crops of one image.
For regression, which is this project's own, S_i's predictions are averaged, the error is the absolute difference, and
a row keeps the share of its pixels on which the network and the states drawn differ least, rising to all; all while
there is no previous state.
"""

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, masked_mean
from ssl_bench.toolbox import (
    boxes_or_none,
    confidence,
    evaluating,
    frozen_copy,
    gated,
    mix,
    pseudo_error,
    rising,
    smallest,
    snapshots_taken,
    spread,
    update_average,
)
from ssl_bench_plugins.methods.modern_configs import PrevMatchConfig

MOST = 3
"""Previous models that teach in a step."""


class PrevMatch(Method):
    """A network that learns from itself and from what it was."""

    def __init__(self, task: Task, config: PrevMatchConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: PrevMatchConfig = config
        self.model = build_network()
        self.previous = nn.ModuleList(frozen_copy(self.model) for _ in range(config.pool))

    def players(self) -> Mapping[str, Player]:
        """The model; its previous states learn no more."""
        return {"model": Player(self.model)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Task loss on labelled rows, own and previous targets on two mixed strong views."""
        config, task, draws = self.config, self.task, progress.draws
        images, valid = batch.unlabeled_images, batch.unlabeled_valid
        strong = [task.perturb(images, draws, config.strong) for _ in range(2)]
        boxes = [boxes_or_none(config.mix, draws, images) for _ in strong]
        logits = progress.forward(self.model, batch.images, batch.labeled)
        labeled, weak = logits.tensor_split([batch.labeled])
        views = self.model(torch.cat([mix(view, box) for view, box in zip(strong, boxes, strict=True)]))

        own = task.activate(weak.detach())
        drawn = self._drawn(images, progress)
        keep = self._gate([own, *(task.activate(each) for _, each in drawn)], valid, progress)
        terms = {"own": (own, keep if keep is not None else confidence(own) >= config.tau_pm)}
        weight, weights = 0.0, {"own": config.lambda_own}
        if drawn:
            weights["previous"] = weight = config.lambda_pm * triangle(progress)
            previous = self._average(drawn)
            sure = keep if keep is not None else confidence(previous) >= config.tau_prev
            terms["previous"] = (previous, sure)
        scale = 2 / (2 + weight)
        losses = {"task": scale * task.loss(labeled, batch.targets)}
        for name, (target, sure) in terms.items():
            if weights[name]:
                progress.observe(target, keep=sure, student=self.model, name=name)
            errors = []
            for view, box in zip(views.chunk(2), boxes, strict=True):
                mixed, kept, known = (mix(each, box) for each in (target, sure, valid))
                error = pseudo_error(task.kind, view, task.activate(view), mixed, config.target)
                errors.append(masked_mean(gated(error, kept), known))
            progress.log(f"kept by {name}", masked_mean(sure.to(target.dtype), valid))
            losses[name] = scale * weights[name] * torch.stack(errors).mean()
        yield {"model": losses}

    def taken(self, progress: Progress) -> int:
        """How many states were taken so far."""
        return snapshots_taken(progress.step, progress.iterations, self.config.snapshots)

    def _drawn(self, images: Tensor, progress: Progress) -> list[tuple[float, Tensor]]:
        """Weights, of sum 1, and logits of some of the previous models."""
        config = self.config
        there = min(self.taken(progress), config.pool)
        # One draw for all rows, so that no more models are run than teach.
        number, *drawn = progress.draws.once(1 + 2 * config.pool).tolist()
        places, shares = drawn[: config.pool], drawn[config.pool :]
        chosen = sorted(range(there), key=places.__getitem__)[: 1 + int(number * MOST)]
        # Exponentials over their sum are Dirichlet(1, ..., 1); one of exactly 0 would leave nothing to divide by.
        waits = [-math.log1p(-share) or 1e-9 for share in shares[: len(chosen)]]
        found = []
        for place, wait in zip(chosen, waits, strict=True):
            with evaluating(self.previous[place]):
                found.append((wait / sum(waits), self.previous[place](images)))
        return found

    def _average(self, drawn: list[tuple[float, Tensor]]) -> Tensor:
        """T of the mean logits; for regression the mean of T."""
        activate = self.task.activate
        if self.task.kind == "classification":
            return activate(torch.stack([weight * logits for weight, logits in drawn]).sum(0))
        return torch.stack([weight * activate(logits) for weight, logits in drawn]).sum(0)

    def _gate(self, predictions: list[Tensor], valid: Tensor, progress: Progress) -> Tensor | None:
        """Where models agree; None where confidence decides."""
        if self.config.gate == "confidence":
            return None
        share = rising(progress.step, progress.iterations, self.config.kept_pm)
        return smallest(spread(torch.stack(predictions)), share, valid)

    def after_step(self, progress: Progress) -> None:
        """Where a snapshot is due, it takes the oldest one's place."""
        steps = (progress.step, progress.step + 1)
        before, now = (snapshots_taken(s, progress.iterations, self.config.snapshots) for s in steps)
        for number in range(before, now):
            update_average(self.previous[number % self.config.pool], self.model, 0.0)

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the model."""
        return self.model


def triangle(progress: Progress) -> float:
    """0 at both ends of a run, 1 half-way."""
    done = progress.step / progress.iterations
    return 1 - abs(1 - 2 * done)
