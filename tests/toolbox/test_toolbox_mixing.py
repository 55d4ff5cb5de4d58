"""Boxes, partners, gates and pseudo targets against what they are said to be."""

import math
import random
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ssl_bench.errors import PluginError
from ssl_bench.task import masked_mean
from ssl_bench.toolbox.gates import confidence, distance, rising, smallest, spread
from ssl_bench.toolbox.mixing import BoxLaw, draw_boxes, mix, partners
from ssl_bench.toolbox.targets import gated, pseudo_error, squared_error
from ssl_bench.toolbox.teachers import evaluating, frozen_copy, snapshots_taken
from ssl_bench.world.part import WHOLE, Draws

LAWS: tuple[BoxLaw, ...] = ("half", "toggle", "aspect")


def boxes(law: BoxLaw, rows: int, height: int = 48, width: int = 64, seed: int = 0) -> Tensor:
    return draw_boxes(law, Draws(torch.Generator().manual_seed(seed)), torch.zeros(rows, 3, height, width))


def ends(mask: Tensor) -> Iterator[int]:
    """Rows and columns in which a mask (H, W) has anything, (top, height, left, width)."""
    for along in (1, 0):
        places = mask.any(along).nonzero().flatten()
        yield from (int(places[0]), int(places[-1] - places[0]) + 1)


def measured(masks: Tensor) -> tuple[np.ndarray, ...]:
    """Tops, heights, lefts and widths of masks (B, H, W), each of which is a box."""
    lines = [masks.any(2).int(), masks.any(1).int()]
    tops, lefts = (each.argmax(1).numpy() for each in lines)
    heights, widths = (each.sum(1).numpy() for each in lines)
    assert (masks.sum((1, 2)).numpy() == heights * widths).all()
    return tops, heights, lefts, widths


QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def assert_alike(found: np.ndarray, law: Sequence[float] | np.ndarray, within: float) -> None:
    """Whether quantiles of numbers are those of a law, given as such or as numbers that were drawn by it."""
    expected = law if len(law) == len(QUANTILES) else np.quantile(law, QUANTILES)
    np.testing.assert_allclose(np.quantile(found, QUANTILES), expected, rtol=0, atol=within)


def test_a_box_of_half_the_area_lies_inside_and_anywhere() -> None:
    masks = boxes("half", 400)
    for mask in masks[:, 0]:
        top, height, left, width = ends(mask)
        assert mask[top : top + height, left : left + width].all()
        assert height >= 24
        assert abs(height * width - 48 * 64 / 2) <= (height + width) / 2 + 1
    assert masks.any(0).all()


def test_the_height_of_half_the_area_is_a_power_of_a_half_and_its_place_uniform() -> None:
    tops, heights, lefts, widths = measured(boxes("half", 4000, 100, 40)[:, 0])
    # 0.5^u, u ~ U(0, 1): of a uniform height the median were 0.75.
    assert_alike(heights / 100, [0.5 ** (1 - q) for q in QUANTILES], within=0.015)
    # As high as the image and half as wide, or the other way round, and all between.
    assert_alike(widths / 40, [0.5 ** (1 - q) for q in QUANTILES], within=0.03)
    for starts, rest in ((tops, 100 - heights), (lefts, 40 - widths)):
        loose = rest >= 10
        assert_alike(starts[loose] / rest[loose], QUANTILES, within=0.06)


@pytest.mark.parametrize(("share", "bent", "height", "width"), [(0.0, 0.5, 14, 14), (0.6, 0.25, 22, 14)])
def test_three_boxes_toggle(share: float, bent: float, height: int, width: int) -> None:
    class Same(Draws):
        def rand(self, rows: int, *shape: int) -> Tensor:
            # Of area shares 0.25 or 0.4, three times at one place: an odd number of boxes.
            drawn = torch.tensor([share, bent, 0.0, 1.0]).expand(rows, *shape).clone()
            drawn[1:, 0, 2] = 1.0  # In the second row two of them, and one elsewhere.
            return drawn

    once, apart = draw_boxes("toggle", Same(torch.Generator()), torch.zeros(2, 3, 48, 48))[:, 0]
    assert [*ends(once)] == [0, height, 48 - width, width]
    assert [*ends(apart)] == [48 - height, height, 48 - width, width]
    assert apart.sum() == once.sum() == height * width
    shares = boxes("toggle", 300).float().mean((1, 2, 3))
    # Up to three times a third of half of the area, and rounding.
    assert shares.max() <= 0.55
    assert abs(shares.mean() - 0.28) < 0.05


def test_a_box_of_any_aspect_is_pasted_into_half_of_the_rows() -> None:
    masks = boxes("aspect", 2000)[:, 0]
    pasted = masks.flatten(1).any(1)
    assert abs(pasted.float().mean().item() - 0.5) < 0.04
    shares, aspects = [], []
    for mask in masks[pasted]:
        top, height, left, width = ends(mask)
        assert mask[top : top + height, left : left + width].all()
        shares.append(height * width / mask.numel())
        aspects.append(height / width)
    assert 0.005 < min(shares) < 0.04
    assert 0.3 < max(shares) <= 0.4
    assert min(aspects) < 0.5
    assert max(aspects) > 2


def published_box(draw: random.Random, side: int) -> tuple[int, int, int, int]:
    """UniMatch's own loop, which ends after 8 boxes, none of which lay inside: then the first one, cut and shifted."""
    area = draw.uniform(0.02, 0.4) * side * side
    outside = []
    for _ in range(8):
        ratio = draw.uniform(0.3, 1 / 0.3)
        width, height = int(math.sqrt(area / ratio)), int(math.sqrt(area * ratio))
        top, left = draw.randrange(side), draw.randrange(side)
        if top + height <= side and left + width <= side:
            return top, height, left, width
        outside.append((top, height, left, width))
    top, height, left, width = outside[0]
    height, width = min(height, side), min(width, side)
    return min(top, side - height), height, min(left, side - width), width


def test_a_box_of_any_aspect_is_as_the_public_code_draws_it() -> None:
    side, draw = 64, random.Random(0)
    masks = boxes("aspect", 6000, side, side)[:, 0]
    tops, heights, lefts, widths = measured(masks[masks.flatten(1).any(1)])
    others = np.array([published_box(draw, side) for _ in range(20000)]).T
    assert_alike(heights * widths / side**2, others[1] * others[3] / side**2, within=0.015)
    # Uniform in the ratio, of which a half lies above 1.5 to 1, and not in its logarithm.
    assert_alike(heights / widths, others[1] / others[3], within=0.12)
    assert_alike(tops, others[0], within=2.5)
    assert_alike(lefts, others[2], within=2.5)


def test_a_box_that_never_fits_is_shrunk_into_the_image() -> None:
    class Last(Draws):
        def rand(self, rows: int, *shape: int) -> Tensor:
            drawn = torch.full((rows, *shape), 0.999)
            drawn[:, 0] = 0.0
            return drawn

    (mask,) = draw_boxes("aspect", Last(torch.Generator()), torch.zeros(1, 3, 16, 64))[:, 0]
    top, height, left, width = ends(mask)
    assert (top + height, left + width, height) == (16, 64, 16)


@pytest.mark.parametrize("law", LAWS)
def test_boxes_do_not_depend_on_parts_nor_size_on_the_draws(law: BoxLaw) -> None:
    whole = boxes(law, 8)
    for count in (2, 4):
        rows = 8 // count
        parts = [
            draw_boxes(
                law, Draws(torch.Generator().manual_seed(0), part, (2, rows)), torch.zeros(rows, 3, 48, 64)
            )
            for part in WHOLE.split(count)
        ]
        assert torch.equal(torch.cat(parts), whole)
    after = []
    for size in (16, 48):
        draws = Draws(torch.Generator().manual_seed(0))
        draw_boxes(law, draws, torch.zeros(4, 3, size, size))
        after.append(draws.rand(3))
    assert torch.equal(*after)


def test_partners_are_pairs_and_never_oneself() -> None:
    rows = torch.arange(6.0)[:, None, None, None].expand(6, 2, 3, 3)
    assert partners(rows)[:, 0, 0, 0].tolist() == [1, 0, 3, 2, 5, 4]
    mask = torch.zeros(6, 1, 3, 3, dtype=torch.bool)
    mask[:, :, 0] = True
    mixed = mix(rows, mask)
    assert torch.equal(mixed[:, :, 0], partners(rows)[:, :, 0])
    assert torch.equal(mixed[:, :, 1:], rows[:, :, 1:])
    assert torch.equal(mix(rows, mask)[:4], torch.cat([mix(rows[:2], mask[:2]), mix(rows[2:4], mask[2:4])]))
    with pytest.raises(PluginError, match="rows_together"):
        partners(rows[:3])


def test_a_row_keeps_the_share_that_differs_least() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(3, 1, 9, 11, generator=generator)
    valid = torch.rand(3, 1, 9, 11, generator=generator) > 0.3
    valid[2] = False
    kept = smallest(values, 0.4, valid)
    for row in range(2):
        known = values[row][valid[row]].numpy()
        expected = values[row].numpy() <= np.quantile(known, 0.4)
        assert np.array_equal((kept[row] & valid[row]).numpy(), expected & valid[row].numpy())
    assert not kept[2].any()
    assert torch.equal(smallest(values, 1.0, valid) & valid, valid)
    assert smallest(torch.zeros(1, 1, 4, 4), 0.5, torch.ones(1, 1, 4, 4, dtype=torch.bool)).all()
    assert [rising(step, 10, 0.5) for step in (0, 5, 10)] == [0.5, 0.75, 1.0]


def test_halving_what_is_kept_halves_the_mean() -> None:
    error, valid = torch.ones(2, 1, 4, 4), torch.ones(2, 1, 4, 4, dtype=torch.bool)
    valid[0, :, 2:] = False
    keep = torch.zeros_like(valid)
    keep[..., :2] = True
    assert masked_mean(gated(error, keep), valid) == 0.5
    assert masked_mean(gated(error, ~valid), valid) == 0.0


def test_errors_of_pseudo_targets() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, others = (torch.randn(2, 4, 5, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    prediction, target = logits.softmax(1), others.softmax(1)
    hard = pseudo_error("classification", logits, prediction, target, "hard")
    soft = pseudo_error("classification", logits, prediction, target, "soft")
    plain = pseudo_error("regression", logits, logits, others, "soft")
    assert torch.allclose(hard[:, 0], -logits.log_softmax(1).gather(1, others.argmax(1, keepdim=True))[:, 0])
    assert torch.allclose(soft, -(target * logits.log_softmax(1)).sum(1, keepdim=True))
    assert torch.allclose(plain[:, 0], (logits - others).abs().sum(1) / 4)
    difference = (prediction - target) ** 2
    assert torch.allclose(squared_error("classification", prediction, target)[:, 0], difference.sum(1))
    assert torch.allclose(squared_error("regression", prediction, target)[:, 0], difference.mean(1))
    assert torch.equal(confidence(target)[:, 0], target.max(1)[0])
    assert torch.allclose(distance(logits, others), plain)
    assert torch.allclose(spread(torch.stack([logits, others])), plain)


def test_no_gradient_reaches_a_target() -> None:
    leaf = torch.randn(1, 3, 2, 2, requires_grad=True)
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    for form in ("hard", "soft"):
        pseudo_error("classification", logits, logits.softmax(1), leaf.softmax(1), form).sum().backward()
    pseudo_error("regression", logits, logits, leaf, "soft").sum().backward()
    squared_error("regression", logits, leaf).sum().backward()
    assert leaf.grad is None
    assert logits.grad is not None


def test_a_teacher_is_in_evaluation_mode_for_a_while() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    network[2].eval()
    teacher = frozen_copy(network)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    images = torch.rand(2, 1, 3, 3)
    with evaluating(teacher):
        first, second = teacher(images), teacher(images)
        assert not torch.is_grad_enabled()
    assert torch.equal(first, second)
    assert torch.equal(teacher[1].running_mean, network[1].running_mean)
    assert [module.training for module in teacher.modules()] == [True, True, True, False]
    with pytest.raises(ZeroDivisionError), evaluating(teacher):
        raise ZeroDivisionError
    assert teacher.training


def test_snapshots_are_evenly_spaced() -> None:
    taken = [snapshots_taken(step, 10, 4) for step in range(11)]
    assert taken == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4]
