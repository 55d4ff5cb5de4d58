"""Batches as functions of the step, crops, and labels that stay with their images."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ssl_bench.data.splits import LabelSplit
from ssl_bench.dataset import Dataset, GuardedDataset
from ssl_bench.errors import DataError
from ssl_bench.recipe import Recipe
from ssl_bench.seeds import generator_for
from ssl_bench.train.batches import PADDING, BatchStream, Window, as_target

CPU = torch.device("cpu")


class Positions(Dataset):
    """Every pixel tells which image and place it is: a crop and its label can be compared exactly."""

    def __init__(self, train: Sequence[str], height: int = 30, width: int = 40) -> None:
        self.train, self.test = train, ()
        self.height, self.width = height, width
        self.read: list[str] = []

    def image(self, name: str) -> np.ndarray:
        rows, columns = np.mgrid[: self.height, : self.width]
        return np.stack([rows, columns, np.full_like(rows, int(name))], 2).astype(np.uint8)

    def target(self, name: str) -> np.ndarray:
        self.read.append(name)
        return self.image(name)[..., :1] if int(name) % 2 else self.image(name)

    def fingerprint(self) -> str:
        return "positions"


class Masks(Positions):
    def target(self, name: str) -> np.ndarray:
        return self.image(name)[..., 0]


NAMES = [str(number) for number in range(11)]
SPLIT = LabelSplit("4", 0, tuple(NAMES[:4]), tuple(NAMES[4:]))


def stream(
    seed: int = 0, *, uses_unlabeled: bool = True, dataset: Dataset | None = None, **recipe: object
) -> BatchStream:
    settings = {"iterations": 10, "labeled_rows": 3, "unlabeled_rows": 5, "crop": 16, **recipe}
    dataset = dataset or Masks(NAMES)
    data = GuardedDataset(dataset, SPLIT.labeled)
    return BatchStream(
        data, SPLIT, Recipe(**settings), "classification", seed=seed, uses_unlabeled=uses_unlabeled, device=CPU
    )  # fmt: skip


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    forwards, backwards = stream(), stream()
    late = backwards.batch(7)
    batches = [forwards.batch(step) for step in range(8)]
    assert torch.equal(batches[7].images, late.images)
    assert not torch.equal(batches[6].images, late.images)
    assert not torch.equal(stream(seed=1).batch(7).images, late.images)


def test_labelled_rows_are_the_same_whether_or_not_a_method_takes_unlabelled_ones() -> None:
    for step in range(4):
        with_unlabeled, without = stream().batch(step), stream(uses_unlabeled=False).batch(step)
        assert torch.equal(with_unlabeled.labeled_images, without.images)
        assert torch.equal(with_unlabeled.targets.value, without.targets.value)
        assert with_unlabeled.images.shape == (8, 3, 16, 16)
        assert len(with_unlabeled.unlabeled_images) == 5
        assert len(without.unlabeled_images) == 0


def test_rows_come_from_their_own_pool_in_whole_epochs() -> None:
    batches = stream()
    labeled, unlabeled = [], []
    for step in range(28):
        ids = (batches.batch(step).images[:, 2].amax((1, 2)) * 255).round().int().tolist()
        labeled += ids[:3]
        unlabeled += ids[3:]
    assert set(labeled) == {0, 1, 2, 3}
    assert set(unlabeled) == {4, 5, 6, 7, 8, 9, 10}
    # 28 steps are 21 epochs of 4 labelled and 20 of 7 unlabelled images.
    assert {labeled.count(name) for name in set(labeled)} == {21}
    assert {unlabeled.count(name) for name in set(unlabeled)} == {20}


def test_labels_stay_with_their_pixels() -> None:
    for step in range(20):
        batch = stream(flip=True).batch(step)
        assert batch.targets.valid.all()
        assert torch.equal((batch.labeled_images[:, 0] * 255).round().long(), batch.targets.value)


def test_padding_is_void_and_neutral() -> None:
    batch = stream(crop=48).batch(0)
    valid = batch.valid[:, 0]
    assert valid.sum((1, 2)).tolist() == [30 * 40] * 8
    fill = torch.tensor(PADDING).view(1, 3, 1, 1) / 255
    assert torch.equal(torch.where(batch.valid, fill, batch.images), fill.expand_as(batch.images))
    assert torch.equal(batch.targets.valid, batch.valid[:3])
    assert (batch.targets.value[~batch.targets.valid[:, 0]] == 0).all()


@given(st.integers(20, 60), st.integers(20, 60), st.sampled_from([8, 24, 40]), st.integers(0, 10_000))
def test_rescaled_crops_keep_image_label_and_mask_together(
    height: int, width: int, crop: int, seed: int
) -> None:
    recipe = Recipe(iterations=1, crop=crop, scale=(0.5, 2.0))
    window = Window(recipe, height, width, generator_for("test", seed))
    rows = np.mgrid[:height, :width][0].astype(np.uint8)
    image, valid = window.cut_image(np.repeat(rows[..., None], 3, 2)), window.valid()[0]
    label = window.cut_target(rows, "classification")[0].int()
    alpha = window.cut_target(rows[..., None].astype(np.float32), "regression")
    deep = window.cut_target(rows[..., None].astype(np.uint16) * 256, "regression")
    assert image.shape == (3, crop, crop)
    assert alpha.shape == (1, crop, crop)
    assert valid.any()
    assert ((label == 255) == ~valid).all()
    assert (image[:, ~valid] == torch.tensor(PADDING)[:, None]).all()
    # Bilinear and nearest sampling of a ramp differ by at most a pixel's step, plus rounding.
    step = window.side / crop + 1.5
    assert (image[0].int() - label).abs()[valid].max() <= step
    assert (alpha[0] - label).abs()[valid].max() <= step
    assert (deep[0].float() / 256 - alpha[0]).abs()[valid].max() <= 1 / 256


def test_targets_of_different_depths_meet_in_one_batch() -> None:
    class Mixed(Positions):
        def target(self, name: str) -> np.ndarray:
            dtype = (np.uint8, np.uint16, np.float32)[int(name) % 3]
            full = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
            return np.full((self.height, self.width, 1), 0.2 * full, dtype)

    data = GuardedDataset(Mixed(NAMES), SPLIT.labeled)
    recipe = Recipe(iterations=1, labeled_rows=4, crop=16)
    batches = BatchStream(data, SPLIT, recipe, "regression", seed=0, uses_unlabeled=False, device=CPU)
    value = batches.batch(0).targets.value
    assert torch.allclose(value, torch.full_like(value, 0.2), atol=1e-6)


def test_targets_of_every_depth() -> None:
    eight = as_target(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8), "regression", CPU)
    sixteen = as_target(torch.full((1, 1, 2, 2), 65535, dtype=torch.uint16), "regression", CPU)
    floats = as_target(torch.full((1, 1, 2, 2), 0.5), "regression", CPU)
    assert eight.value.unique().tolist() == sixteen.value.unique().tolist() == [1.0]
    assert floats.value.unique().tolist() == [0.5]
    ids = as_target(torch.tensor([[[3, 255]]], dtype=torch.uint8)[None], "classification", CPU)
    assert ids.value.tolist() == [[[3, 0]]]
    assert ids.valid.tolist() == [[[[True, False]]]]


def test_targets_of_unlabelled_rows_are_never_read() -> None:
    dataset = Positions(NAMES)
    batches = stream(dataset=dataset)
    with pytest.raises(DataError, match="must not be read"):
        batches.data.target(NAMES[5])
    reading = Masks(NAMES)
    seen: list[str] = []
    reading.target = lambda name: seen.append(name) or Masks.target(reading, name)  # type: ignore[method-assign,assignment,func-returns-value]
    for step in range(6):
        stream(dataset=reading).batch(step)
    assert set(seen) == set(SPLIT.labeled)


def test_all_labelled_images_serve_as_unlabelled_where_there_are_no_others() -> None:
    split = LabelSplit("all", 0, tuple(NAMES), ())
    recipe = Recipe(iterations=1, crop=16)
    batch = BatchStream(
        GuardedDataset(Masks(NAMES), NAMES),
        split,
        recipe,
        "classification",
        seed=0,
        uses_unlabeled=True,
        device=CPU,
    ).batch(0)
    assert len(batch.unlabeled_images) == 4
