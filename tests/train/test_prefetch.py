"""Batches made ahead by threads are the stream's own, in any number of threads, and their errors arrive."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ssl_bench.data.folders import FolderDataset
from ssl_bench.data.samples import Files
from ssl_bench.data.splits import make_split
from ssl_bench.dataset import GuardedDataset
from ssl_bench.errors import DataError
from ssl_bench.recipe import Recipe
from ssl_bench.train.batches import BatchStream
from ssl_bench.train.prefetch import Prefetcher

STEPS = 7


class Pairs(FolderDataset):
    layout = "images and mattes"
    targets_are = "alpha"
    marks = (("images", "mattes"),)
    train_files = (Files(images="images", targets=("mattes",)),)
    holds_out = True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("pairs")
    for kind, shape in (("images", (40, 50, 3)), ("mattes", (40, 50))):
        (root / kind).mkdir()
        for number in range(10):
            picture = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
            picture.save(root / kind / f"{number}.png")
    return root


def stream(folder: Path) -> BatchStream:
    dataset = Pairs.open(folder)
    split = make_split(dataset, "1/2", 0, task="matting")
    recipe = Recipe(iterations=STEPS, crop=16, scale=(0.5, 2.0))
    return BatchStream(
        GuardedDataset(dataset, split.labeled),
        split,
        recipe,
        "regression",
        seed=0,
        uses_unlabeled=True,
        device=torch.device("cpu"),
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_are_the_streams_own(folder: Path, workers: int) -> None:
    plain, ahead = stream(folder), Prefetcher(stream(folder), STEPS, workers)
    # As after a resume: not from step 0 on.
    for step in range(2, STEPS):
        expected, batch = plain.batch(step), ahead.batch(step)
        assert torch.equal(batch.images, expected.images)
        assert torch.equal(batch.unlabeled_valid, expected.unlabeled_valid)
        assert torch.equal(batch.targets.value, expected.targets.value)
    assert not ahead._waiting  # Nothing is loaded beyond the last step.
    ahead.close()


def test_an_error_arrives_at_its_step(folder: Path, tmp_path: Path) -> None:
    ahead = Prefetcher(stream(folder), STEPS, 2)
    broken = ahead._stream.labeled[0]
    ahead._stream.data._dataset._samples[broken].image.rename(tmp_path / "away.png")  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=broken):
        _ = [ahead.batch(step) for step in range(STEPS)]
    ahead.close()
