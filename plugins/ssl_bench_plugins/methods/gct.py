"""Guided Collaborative Training.

Ke, Qiu, Li, Yan and Lau, Guided Collaborative Training for Pixel-wise Semi-Supervised Learning, ECCV 2020,
https://arxiv.org/abs/2008.05258, with its supplement.

    L_Tk = task(T_k(x_l), y) + r(t) lambda_dc MSE(T_k(x), target_k) + lambda_fc mean(M F(T_k(x), x)^2)
    L_F  = mean over k of MSE(F(T_k(x_l), x_l), C(T_k(x_l), y))

F sees x normalised as T_k sees it. A weight means the same for any number of classes and rows: the appendix's lambda_dc
of 100 is of a mean over all rows, labelled ones included, and over 21 classes. So the squares of the constrained rows
are summed, and divided by the valid pixels of all rows and by 21, whatever the number of classes: with 6 classes and
as many labelled as unlabelled rows 100 is 14 of a plain mean. For regression they are divided by the task's own
outputs, which are the paper's. Flaw correction is a mean over the valid pixels of the constrained rows, of one channel.

Deviations: one forward pass of each network and one of F per network serve all terms, since a player's gradient is
taken for its own parameters alone; the gradients are the paper's. Networks with dropout or stochastic depth would then
be compared with their own draw, so targets and masks get a forward pass of their own, by which running statistics of
BatchNorm move twice a step. With `mode="fc"` M is 1, since nothing else corrects what one network alone has wrong; a
lambda_dc of 0 leaves M as it is, so that correction acts where both networks are flawed alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ssl_bench import (
    Batch,
    Losses,
    Method,
    NetworkFactory,
    Panel,
    Player,
    Progress,
    Target,
    Task,
    TaskNetwork,
    masked_mean,
)
from ssl_bench.toolbox import draws_at_random, ramp_up
from ssl_bench_plugins.methods.flaw_detector import FlawDetector
from ssl_bench_plugins.methods.flaw_maps import both_flawed, exchange, readable
from ssl_bench_plugins.methods.paper_configs import CRITIC_OPTIMIZER, GCTConfig
from ssl_bench_plugins.methods.pipeline_c import flaw_target

CLASSES = 21
"""Of the data set that the appendix's weight of dynamic consistency was found on."""

NAMES = ("first", "second")
"""Of the task networks."""


class View(NamedTuple):
    """What one network makes of the whole batch: logits, T(x) zeroed at void, and F(T(x), x)."""

    logits: Tensor
    prediction: Tensor
    flaws: Tensor


class Guide(NamedTuple):
    """What one network is to do on the whole batch: its pseudo target, and where to reduce its flaws."""

    target: Tensor
    mask: Tensor


class GCT(Method):
    """Two networks, of different initial weights, and a flaw detector between them."""

    def __init__(self, task: Task, config: GCTConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: GCTConfig = config
        self.first = build_network(0)
        self.second = build_network(1, config.second_backbone)
        self.detector = FlawDetector(task.in_channels + task.out_channels, config.detector_norm)
        self.mu = config.mu or 1 / task.out_channels
        self.lambda_dc = config.lambda_dc
        if task.kind == "classification":
            self.lambda_dc *= task.out_channels / CLASSES
        # Flaw correction alone has neither targets nor masks.
        self.redraws = config.mode != "fc" and any(map(draws_at_random, (self.first, self.second)))

    def players(self) -> Mapping[str, Player]:
        """Both task networks, and the flaw detector F."""
        detector = Player(self.detector, CRITIC_OPTIMIZER)
        return {"first": Player(self.first), "second": Player(self.second), "detector": detector}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Task loss, dynamic consistency and flaw correction of each network; the loss of F on labelled rows."""
        valid = torch.cat([batch.targets.valid, batch.unlabeled_valid])
        networks = dict(zip(NAMES, (self.first, self.second), strict=True))
        if self.config.low_memory:
            yield from self._one_by_one(networks, batch, valid, progress)
            return
        views = [self._view(network, batch, valid, progress) for network in networks.values()]
        drawn = self._draws(networks, batch, valid, progress) if self.redraws else views
        guides = self._guides(drawn, valid)
        self._show(drawn, guides, batch, progress)
        terms = [
            self._terms(view, guide, batch, valid, progress)
            for view, guide in zip(views, guides, strict=True)
        ]
        yield {
            **dict(zip(networks, terms, strict=True)),
            "detector": self._detector_terms(views, batch, progress),
        }

    def _one_by_one(
        self, networks: Mapping[str, TaskNetwork], batch: Batch, valid: Tensor, progress: Progress
    ) -> Iterator[Losses]:
        """The same losses with one network's graph in memory at a time.

        Targets and masks come from the state before any step, so without random layers all gradients are the default
        mode's. Running statistics of BatchNorm differ: they see the batch once per forward pass.
        """
        draws = self._draws(networks, batch, valid, progress)
        guides = self._guides(draws, valid)
        self._show(draws, guides, batch, progress)
        for (name, network), guide in zip(networks.items(), guides, strict=True):
            view = self._view(network, batch, valid, progress)
            yield {name: self._terms(view, guide, batch, valid, progress)}
        again = [
            view._replace(flaws=self._flaws(network, view.prediction, batch.images))
            for network, view in zip(networks.values(), draws, strict=True)
        ]
        yield {"detector": self._detector_terms(again, batch, progress)}

    def _view(self, network: TaskNetwork, batch: Batch, valid: Tensor, progress: Progress) -> View:
        logits = progress.forward(network, batch.images, batch.labeled)
        return self._seen(network, logits, batch.images, valid)

    def _seen(self, network: TaskNetwork, logits: Tensor, images: Tensor, valid: Tensor) -> View:
        prediction = torch.where(valid, self.task.activate(logits), 0.0)
        return View(logits, prediction, self._flaws(network, prediction, images))

    def _flaws(self, network: TaskNetwork, prediction: Tensor, images: Tensor) -> Tensor:
        flaws: Tensor = self.detector(prediction, network.normalize(images))
        return flaws

    @torch.no_grad()
    def _draws(
        self, networks: Mapping[str, TaskNetwork], batch: Batch, valid: Tensor, progress: Progress
    ) -> list[View]:
        return [self._view(network, batch, valid, progress) for network in networks.values()]

    @torch.no_grad()
    def _guides(self, views: list[View], valid: Tensor) -> list[Guide]:
        first, second = views
        maps = readable(first.flaws, valid), readable(second.flaws, valid)
        mask = both_flawed(maps, self.config.xi) if self.config.mode == "gct" else torch.ones_like(valid)
        targets = exchange((first.prediction, second.prediction), maps, self.config.xi)
        return [Guide(target, mask) for target in targets]

    def _terms(
        self, view: View, guide: Guide, batch: Batch, valid: Tensor, progress: Progress
    ) -> Mapping[str, Tensor]:
        config = self.config
        terms = {"task": self.task.loss(view.logits[: batch.labeled], batch.targets)}
        rows = slice(batch.labeled if config.constraints_on == "unlabeled" else 0, None)
        if config.mode != "fc":
            weight = self.lambda_dc * ramp_up(progress.step, config.eta_dc * progress.iterations_per_epoch)
            # Over all rows, of which those that are not constrained have no error.
            error = torch.zeros_like(view.prediction)
            error[rows] = (view.prediction[rows] - guide.target[rows]).square()
            terms["consistency"] = weight * masked_mean(error, valid)
        if config.mode != "dc":
            flaws = torch.where(guide.mask[rows], view.flaws[rows], 0.0).square()
            terms["correction"] = config.lambda_fc * masked_mean(flaws, valid[rows])
        return terms

    def _detector_terms(
        self, views: Sequence[View], batch: Batch, progress: Progress
    ) -> Mapping[str, Tensor]:
        value, valid = self.task.encode(batch.targets)
        labeled = slice(0, batch.labeled)
        errors = []
        for name, view in zip(NAMES, views, strict=True):
            truth = flaw_target(view.prediction[labeled], value, mu=self.mu, nu=self.config.nu, valid=valid)
            progress.observe(view.prediction[labeled], doubt=truth, name=f"{name}, by C", labeled=True)
            errors.append(masked_mean((view.flaws[labeled] - truth).square(), valid))
        return {"flaw": torch.stack(errors).mean()}

    def _show(self, views: Sequence[View], guides: Sequence[Guide], batch: Batch, progress: Progress) -> None:
        """The pseudo target of each network, and its own prediction, of which F says where it is wrong."""
        rows = slice(batch.labeled, None)
        for name, network, view, guide in zip(NAMES, (self.first, self.second), views, guides, strict=True):
            if self.config.mode != "fc" and self.lambda_dc:
                progress.observe(guide.target[rows], student=network, name=name)
            progress.observe(view.prediction[rows], doubt=view.flaws[rows], name=f"{name}, by F")

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the first one."""
        return self.first

    def predict_beside(self) -> Mapping[str, nn.Module]:
        """The second network, whose scores are recorded beside."""
        return {"second": self.second}

    def doubt(self, images: Tensor) -> Tensor:
        """What F says of the first network's prediction."""
        return self._flaws(self.first, self.task.activate(self.first(images)), images)

    def explain(self, images: Tensor, target: Target) -> Sequence[Panel]:
        """Of each network the flaw map as used, C's target and the pseudo target; and where both are flawed.

        A row a network, behind the second one's prediction. As for labelled rows in training, zeroed at void; but with
        running statistics, as in evaluation.
        """
        value, valid = self.task.encode(target)
        views = [self._seen(network, network(images), images, valid) for network in (self.first, self.second)]
        maps = readable(views[0].flaws, valid), readable(views[1].flaws, valid)
        rows = []
        for number, (view, guide, flaws) in enumerate(
            zip(views, self._guides(views, valid), maps, strict=True), 1
        ):
            truth = flaw_target(view.prediction, value, mu=self.mu, nu=self.config.nu, valid=valid)
            found, true = Panel(f"flaws of {number}, found", flaws), Panel(f"flaws of {number}, true", truth)
            rows.append([found, true, Panel(f"taught to {number}", guide.target, is_prediction=True)])
        second = Panel("prediction of 2", self.task.activate(views[1].logits), is_prediction=True)
        return [
            second,
            *rows[0],
            Panel("both are flawed", both_flawed(maps, self.config.xi).float()),
            *rows[1],
        ]
