"""Changed features against what they are said to be."""

import pytest
import torch
from torch import Tensor

from ssl_bench.toolbox.features import add_noise, complementary_masks, drop_channels, drop_strongest
from ssl_bench.world.part import WHOLE, Draws


def draws(seed: int = 0) -> Draws:
    return Draws(torch.Generator().manual_seed(seed))


def levels(rows: int = 6, widths: tuple[int, ...] = (3, 40, 50)) -> list[Tensor]:
    """Maps of positive numbers, each half as large as the one before it."""
    generator = torch.Generator().manual_seed(1)
    sizes = [16 // 2**place for place in range(len(widths))]
    return [
        torch.rand(rows, width, size, size, generator=generator) + 0.1
        for width, size in zip(widths, sizes, strict=True)
    ]


def test_dropped_channels_are_whole_and_leave_the_mean() -> None:
    features = levels(rows=200)
    for before, after in zip(features, drop_channels(features, draws(), 0.3), strict=True):
        kept = after.flatten(2).amax(2) > 0
        torch.testing.assert_close(after, before * kept[:, :, None, None] / 0.7)
        assert abs(kept.float().mean() - 0.7) < 0.04
        # Rows and channels each by a draw of their own.
        assert kept.float().mean(0).std() > 0
        assert kept.float().mean(1).std() > 0
    assert all(
        torch.equal(*pair) for pair in zip(features, drop_channels(features, draws(), 0.0), strict=True)
    )


def test_complementary_masks_add_up_to_2_and_leave_half_of_the_rows() -> None:
    features = levels(rows=400)
    first, second = complementary_masks(features, draws())
    whole = [(mask == 1).flatten(1).all(1) for mask in first]
    for one, other, level in zip(first, second, features, strict=True):
        assert one.shape == (*level.shape[:2], 1, 1)
        assert torch.equal(one + other, torch.full_like(one, 2))
        assert set(one.unique().tolist()) == {0.0, 1.0, 2.0}
        assert abs(one.mean() - 1) < 0.05
    # A row has all its channels on every level, or half of them on each.
    assert torch.equal(whole[1], whole[2])
    assert abs(whole[1].float().mean() - 0.5) < 0.08
    assert not torch.equal(first[1][:, :40], first[2][:, :40])


def test_levels_of_one_width_share_their_masks() -> None:
    first, _ = complementary_masks(levels(widths=(24, 24, 24)), draws())
    assert torch.equal(first[0], first[1])
    assert torch.equal(first[0], first[2])


def test_noise_is_in_proportion_and_the_same_for_all_rows() -> None:
    features = levels()
    for before, after in zip(features, add_noise(features, draws(), 0.3), strict=True):
        ratio = after / before - 1
        assert ratio.abs().max() <= 0.3 + 1e-5
        assert ratio.std() > 0.1
        torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-3, atol=1e-5)


def test_the_strongest_places_are_gone_in_all_channels() -> None:
    features = levels(widths=(2, 3))
    for before, after in zip(features, drop_strongest(features, draws(), 0.7, 0.9), strict=True):
        mean, gone = before.mean(1), (after == 0).all(1)
        assert torch.equal(after, torch.where(gone[:, None], 0.0, before))
        for row in range(len(before)):
            share = mean[row][gone[row]].min() / mean[row].max()
            assert share >= 0.7
            assert mean[row][~gone[row]].max() < 0.9 * mean[row].max()


@pytest.mark.parametrize(("deepest", "changed"), [(0, 3), (1, 1), (2, 2), (9, 3)])
def test_from_the_deepest_level_on(deepest: int, changed: int) -> None:
    features = levels(widths=(30, 40, 50))
    made = [
        drop_channels(features, draws(), 0.5, levels=deepest),
        add_noise(features, draws(), 0.3, levels=deepest),
        drop_strongest(features, draws(), 0.7, 0.9, levels=deepest),
    ]
    masks, _ = complementary_masks(features, draws(), levels=deepest)
    made.append([level * mask for level, mask in zip(features, masks, strict=True)])
    for after in made:
        same = [torch.equal(*pair) for pair in zip(features, after, strict=True)]
        assert same == [True] * (3 - changed) + [False] * changed


@pytest.mark.parametrize("one_process", [True, False])
def test_parts_of_a_batch_are_changed_as_the_whole_is(one_process: bool) -> None:
    features = levels(rows=4)

    def changed(part: list[Tensor], numbers: Draws) -> list[Tensor]:
        first, _ = complementary_masks(part, numbers)
        return [
            *drop_channels(part, numbers, 0.5),
            *first,
            *add_noise(part, numbers, 0.3),
            *drop_strongest(part, numbers, 0.7, 0.9),
        ]

    whole, generator, shared = changed(features, draws()), torch.Generator().manual_seed(0), list[Tensor]()
    parts = []
    for part in WHOLE.split(2):
        mine = generator if one_process else torch.Generator().manual_seed(0)
        rows = [level[part.rows(4)] for level in features]
        parts.append(changed(rows, Draws(mine, part, (0, 2), shared if one_process else None)))
    for expected, *found in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat(found), expected)
