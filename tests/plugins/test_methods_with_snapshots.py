"""Self-training, PrevMatch and the bank against naive steps in float64, and what their schedules promise."""

import copy
import math
from typing import Any

import pytest
import torch
from references import (
    ITERATIONS,
    LABELED,
    RECIPE,
    REGISTRY,
    Stream,
    average,
    build,
    compare,
    draws_of,
    make_batch,
    over,
    pasted,
)
from torch import Tensor, nn

from ssl_bench.errors import UsageError
from ssl_bench.method import Batch, Method, Progress
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.recipe import Kind
from ssl_bench.toolbox.mixing import draw_boxes
from ssl_bench.train.trainer import Trainer
from ssl_bench.world.part import Draws

ALL = range(ITERATIONS)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Logits and probabilities (B, O, H, W), of which the likeliest class counts, to (B, H, W)."""
    chosen = logits.gather(1, target.argmax(1, keepdim=True))[:, 0]
    return logits.exp().sum(1).log() - chosen


def evaluated(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return copy.deepcopy(network).eval()(images)


def overlap(first: Tensor, second: Tensor, valid: Tensor) -> float:
    """Mean IoU of two predictions (O, H, W), class by class."""
    one, other = (each.argmax(0)[valid[0]] for each in (first, second))
    shares = []
    for number in range(len(first)):
        either = ((one == number) | (other == number)).sum().item()
        if either:
            shares.append(((one == number) & (other == number)).sum().item() / either)
    return sum(shares) / len(shares)


class NaiveST:
    """Nine steps: three of the labeller, three for reliable rows, three for all."""

    def __init__(self) -> None:
        self.mean = 0.0
        self.rows: list[int] = []

    def __call__(self, method: Method, batch: Batch, step: int, draws: Draws) -> dict[str, Tensor]:
        config, task, images, valid = (
            method.config,
            method.task,
            batch.images[LABELED:],
            batch.valid[LABELED:],
        )
        if step < 3:
            return {"labeller": task.loss(method.labeller(batch.images[:LABELED]), batch.targets)}
        teacher = method.student_average if config.plus and step >= 6 else method.average
        target = task.activate(evaluated(teacher, images))
        keep = torch.ones(len(images), 1, 1, dtype=torch.double)
        if config.plus and step < 6:
            reliable = []
            for row in range(len(images)):
                states = [task.activate(evaluated(state, images))[row] for state in method.earlier]
                if task.kind == "classification":
                    each = [overlap(state, target[row], valid[row]) for state in states]
                else:
                    each = [-((state - target[row]) ** 2)[valid[row]].mean().item() for state in states]
                reliable.append(sum(each) / 2)
            decay = (step - 3) / (step - 2)
            self.mean = decay * self.mean + (1 - decay) * sum(reliable) / len(reliable)
            keep[:, 0, 0] = torch.tensor([float(one >= self.mean) for one in reliable])
            self.rows.append(int(keep.sum()))
        views = task.perturb(images, draws, "strong")
        if config.cutout:
            boxes = draw_boxes("aspect", draws, images)
            noise = draws.rand(*images.shape).double()
            views = boxes * noise + ~boxes * views
            keep = keep * ~boxes[:, 0]
        logits = method.student(torch.cat([batch.images[:LABELED], views]))
        if task.kind == "classification":
            error = cross_entropy(logits[LABELED:], target)
        else:
            error = (logits[LABELED:] - target).abs().mean(1)
        pseudo = config.lambda_st * over(error * keep, valid)
        return {"student": task.loss(logits[:LABELED], batch.targets) + pseudo}

    def after(self, method: Method, step: int) -> None:
        if step < 3:
            average(method.average, method.labeller, step, 0.99)
            if method.config.plus and step < 2:
                method.earlier[step].load_state_dict(method.average.state_dict())
        elif method.config.plus:
            average(method.student_average, method.student, step - 3, 0.99)
            method.typical.fill_(self.mean)


@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_self_training_is_the_naive_one(kind: Kind, plus: bool) -> None:
    naive = NaiveST()
    compare(build("st", kind, plus=plus, lambda_st=0.7), naive, ALL, naive.after)
    assert not plus or 0 < sum(naive.rows) < 3 * 4


def naive_prevmatch(method: Method, batch: Batch, step: int, draws: Draws) -> dict[str, Tensor]:
    config, task = method.config, method.task
    images, valid = batch.images[LABELED:], batch.valid[LABELED:]
    strong = [task.perturb(images, draws, "strong") for _ in range(2)]
    boxes = [draw_boxes("aspect", draws, images) for _ in range(2)]
    logits = method.model(batch.images)
    views = method.model(
        torch.cat([pasted(view, box) for view, box in zip(strong, boxes, strict=True)])
    ).chunk(2)
    own = task.activate(logits[LABELED:].detach())

    # Three snapshots in nine steps, after 2, 4 and 7, in two places.
    drawn = draws.rand(1, 1 + 2 * 2)[0].tolist()
    there = min(2, sum(step >= place for place in (2, 4, 7)))
    order = sorted(range(there), key=lambda place: drawn[1 + place])[: 1 + int(3 * drawn[0])]
    shares = [-math.log(1 - drawn[3 + number]) for number in range(len(order))]
    outputs = [evaluated(method.previous[place], images) for place in order]
    weight = 0.0
    targets = [(own, config.lambda_own, config.tau_pm)]
    if order:
        weight = config.lambda_pm * min(step / 4.5, 2 - step / 4.5)
        mean = sum(share / sum(shares) * each for share, each in zip(shares, outputs, strict=True))
        targets.append((task.activate(mean), weight, config.tau_prev))
    total = task.loss(logits[:LABELED], batch.targets)
    for target, factor, tau in targets:
        if task.kind == "classification":
            keep = (target.max(1)[0] >= tau)[:, None]
        else:
            ranges = torch.stack([own, *outputs])
            differs = (ranges.max(0)[0] - ranges.min(0)[0]).mean(1)
            share = 0.5 + 0.5 * step / ITERATIONS
            limits = [torch.quantile(row[known[0]], share) for row, known in zip(differs, valid, strict=True)]
            keep = torch.stack([row <= limit for row, limit in zip(differs, limits, strict=True)])[:, None]
        for view, box in zip(views, boxes, strict=True):
            mixed = pasted(target, box)
            error = (
                cross_entropy(view, mixed) if task.kind == "classification" else (view - mixed).abs().mean(1)
            )
            total = total + factor / 2 * over(error * pasted(keep, box)[:, 0], pasted(valid, box))
    return {"model": 2 / (2 + weight) * total}


def keeps_states(method: Method, step: int) -> None:
    for number, place in enumerate((2, 4, 7)):
        if step + 1 == place:
            method.previous[number % 2].load_state_dict(method.model.state_dict())


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_prevmatch_is_the_naive_one(kind: Kind) -> None:
    settings: dict[str, Any] = {"pool": 2, "snapshots": 3, "lambda_own": 0.7, "lambda_pm": 0.8}
    settings |= {"tau_pm": 0.6, "tau_prev": 0.5} if kind == "classification" else {}
    compare(build("prevmatch", kind, **settings), naive_prevmatch, ALL, keeps_states)


def test_one_state_is_averaged_and_weights_of_several_add_up_to_one() -> None:
    method = build("prevmatch", "regression", pool=4)
    for network in method.previous:
        network.network[-1].weight.data.zero_()
        network.network[-1].bias.data.fill_(0.25)
    images = make_batch("regression").unlabeled_images
    counts = set()
    for seed in range(40):
        progress = Progress(8, ITERATIONS, 3.0, Draws(torch.Generator().manual_seed(seed)))
        drawn = method._drawn(images, progress)
        counts.add(len(drawn))
        torch.testing.assert_close(method._average(drawn), torch.full_like(images[:, :1], 0.25))
    assert counts == {1, 2, 3}


def naive_bank(method: Method, batch: Batch, step: int, draws: Draws) -> dict[str, Tensor]:
    config, task = method.config, method.task
    images, valid = batch.images[LABELED:], batch.valid[LABELED:]
    taken = sum(step >= place for place in (2, 4, 7))
    if not taken:
        return {"student": task.loss(method.student(batch.images[:LABELED]), batch.targets)}
    weak = [task.perturb(images, draws, "weak") for _ in range(2)]
    strong = task.perturb(images, draws, "strong")
    targets = []
    for row in range(len(images)):
        found = []
        for number in range(taken):
            one, other = (evaluated(method.bank[number], view)[row] for view in weak)
            found.append(((one - other).abs()[valid[row]].mean().item(), -number, one))
        targets.append(min(found, key=lambda each: each[:2])[2])
    logits = method.student(torch.cat([batch.images[:LABELED], strong]))
    weight = config.lambda_rb * math.exp(-5 * (1 - min(step / 4.5, 1)) ** 2)
    loss = weight * over((logits[LABELED:] - torch.stack(targets)).abs().mean(1), valid)
    return {"student": task.loss(logits[:LABELED], batch.targets) + loss}


def banks(method: Method, step: int) -> None:
    average(method.teacher, method.student, step, 0.6)
    for number, place in enumerate((2, 4, 7)):
        if step + 1 == place:
            method.bank[number].load_state_dict(method.teacher.state_dict())


def test_the_bank_is_the_naive_one() -> None:
    compare(build("bank", "regression", snapshots=3, alpha_rb=0.6, lambda_rb=2.0), naive_bank, ALL, banks)


def test_the_steadiest_state_teaches_row_by_row_and_of_equals_the_newest() -> None:
    method = build("bank", "regression", snapshots=3)
    batch = make_batch("regression")
    views = [method.task.perturb(batch.unlabeled_images, draws_of(step), "weak") for step in range(2)]
    for place, bias in enumerate((0.1, 0.2, 0.3)):
        head = method.bank[place].network[-1]
        head.weight.data *= 0.0 if place < 2 else 1.0
        head.bias.data.fill_(bias)
    target, change = method._best(3, views, batch.unlabeled_valid)
    assert (change == 0).all()
    assert torch.allclose(target, torch.full_like(target, 0.2))


@pytest.mark.parametrize("name", ["st", "prevmatch", "bank"])
def test_what_they_were_learns_no_more(name: str) -> None:
    method = build(name, "regression")
    trainer = Trainer(method, RECIPE, Stream("regression"), 0)
    for step in range(6):
        trainer.step(step)
    if name == "st":
        frozen = copy.deepcopy(method.average.state_dict()), copy.deepcopy(method.labeller.state_dict())
        trainer.step(6)
        now = method.average.state_dict(), method.labeller.state_dict()
        assert all(
            torch.equal(was[key], own[key]) for was, own in zip(frozen, now, strict=True) for key in was
        )
    learning = {id(p) for player in method.players().values() for p in player.parameters()}
    others = [p for p in method.parameters() if id(p) not in learning]
    assert others
    assert not any(p.requires_grad for p in others)


def test_who_is_deployed_is_fixed() -> None:
    st, prevmatch, bank = (build(name, "regression") for name in ("st", "prevmatch", "bank"))
    assert (st.deployed, st.predict_beside()) == (st.student, {"labeller": st.average})
    assert (prevmatch.deployed, prevmatch.predict_beside()) == (prevmatch.model, {})
    assert (bank.deployed, bank.predict_beside()) == (bank.student, {"teacher": bank.teacher})


def test_a_bank_of_classes_is_skipped_and_a_stage_without_a_step_refused() -> None:
    plan = make_plan(REGISTRY, Request(tasks="segmentation,night", methods="bank", control=False))
    assert [cell.task for cell in plan.cells] == ["night"]
    assert "rates restored images" in plan.skipped[0].reason
    request = Request(tasks="night", methods="st", control=False, settings=["night.iterations=1"])
    with pytest.raises(UsageError, match=r"night\.st: first_stage=0\.333333 of 1 iterations leaves a stage"):
        make_plan(REGISTRY, request)
