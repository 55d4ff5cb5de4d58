"""Two Views. Say here how it learns, and who found it.

This one is put together from the toolbox, a word each, for you to replace:

    views    two weak ones for the teacher, a strong one for the student: of one geometry
    teacher  the student's moving average, in evaluation mode
    target   what the teacher says of the first view: a class, or the picture
    gate     the share of a row's pixels on which the two views agree best; it grows to all
    mixing   a box of the neighbour's image, target and gate pasted into each

    L = task(f(x), y) + weight * mean over valid pixels of keep * error(f(strong), target)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

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
from ssl_bench.toolbox import (
    decay_at,
    distance,
    draw_boxes,
    evaluating,
    frozen_copy,
    gated,
    mix,
    pseudo_error,
    rising,
    smallest,
    update_average,
)


class TwoViewsSettings(MethodConfig):
    """What `--set two-views.FIELD=VALUE` may change, or a row of its own, `two-views:FIELD=VALUE`."""

    weight: float = Field(1.0, ge=0, description="of the loss on unlabelled images")
    decay: float = Field(0.99, ge=0, lt=1, description="of the average that teaches")
    kept: float = Field(0.5, gt=0, le=1, description="share of a row's pixels that counts at first")
    target: Literal["hard", "soft"] = Field("hard", description="the likeliest class, or the prediction")
    mix: Literal["none", "half", "toggle", "aspect"] = Field("half", description="whose law boxes follow")

    # A picture has no classes. By task, kind of task and tier: see MethodConfig.
    kind_defaults: ClassVar = {"regression": {"target": "soft"}}

    def rows_together(self) -> int:
        """Two, where a row is mixed with the next one: no part of a batch may hold half a pair."""
        return 1 if self.mix == "none" else 2


class TwoViewsMethod(Method):
    """A student that says of a changed image what its own average says of the image."""

    def __init__(self, task: Task, config: TwoViewsSettings, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.student = build_network()
        self.teacher = frozen_copy(self.student)

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated, fixed in advance."""
        return self.teacher

    def players(self) -> Mapping[str, Player]:
        """Who learns: each player is stepped by an optimiser of its own."""
        return {"student": Player(self.student)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """A yield is an optimiser step on the sum of a player's terms."""
        config, task, draws = self.config, self.task, progress.draws
        images, valid = batch.unlabeled_images, batch.unlabeled_valid
        first, second, strong = (
            task.perturb(images, draws, strength) for strength in ("weak", "weak", "strong")
        )
        with evaluating(self.teacher):
            target, other = (task.activate(self.teacher(view)) for view in (first, second))
        # What depends on time is a function of the step, so that a resume goes on exactly.
        share = rising(progress.step, progress.iterations, config.kept)
        keep = smallest(distance(target, other), share, valid)
        if config.mix != "none":
            boxes = draw_boxes(config.mix, draws, images)
            strong, target, keep, valid = (mix(each, boxes) for each in (strong, target, keep, valid))
        rows = torch.cat([batch.labeled_images, strong])
        labeled, unlabeled = progress.forward(self.student, rows, batch.labeled).tensor_split([batch.labeled])
        error = pseudo_error(task.kind, unlabeled, task.activate(unlabeled), target, config.target)
        # In the curves, beside the losses.
        progress.log("kept", masked_mean(keep.float(), valid))
        yield {
            "student": {
                "task": task.loss(labeled, batch.targets),
                "pseudo": config.weight * masked_mean(gated(error, keep), valid),
            }
        }

    def after_step(self, progress: Progress) -> None:
        """The teacher moves towards the student."""
        update_average(self.teacher, self.student, decay_at(progress.step, self.config.decay))

    def predict_beside(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """Whose scores are recorded beside the deployed network's."""
        return {"student": self.student}


@hookimpl
def provide_methods() -> Iterable[MethodSpec]:
    """What ssl-bench finds here."""
    return [MethodSpec(name="two-views", title="Two Views", method=TwoViewsMethod, config=TwoViewsSettings)]
