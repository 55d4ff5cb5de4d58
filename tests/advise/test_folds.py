"""Folds of the labelled images: every one is tested, and none is learnt from and tested at once."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from trees import save

from ssl_bench.advise.fit import fitting_crop
from ssl_bench.advise.folds import folds_of, groups_of
from ssl_bench.data.copies import Print, find_pairs
from ssl_bench.dataset import Dataset
from ssl_bench.errors import UsageError
from ssl_bench.recipe import Recipe
from ssl_bench_tasks.layouts.pairs import ImagePairs


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def pairs(root: Path, labeled: int, without: int = 3) -> ImagePairs:
    for number in range(labeled + without):
        save(root / f"input/{number:02}.png", noise(number))
        if number < labeled:
            save(root / f"target/{number:02}.png", noise(number))
    dataset = ImagePairs.open(root)
    dataset.test_on(0)
    return dataset


@pytest.mark.parametrize(("labeled", "count"), [(6, 3), (8, 4), (11, 4), (12, 6), (14, 6)])
def test_each_is_tested_once_a_repeat(tmp_path: Path, labeled: int, count: int) -> None:
    dataset = pairs(tmp_path, labeled)
    folds = folds_of(dataset, 3)
    assert len(folds) == 3 * count
    for repeat in range(3):
        own = [fold for fold in folds if fold.repeat == repeat]
        assert Counter(name for fold in own for name in fold.tested) == Counter(dataset.train)
        sizes = [len(fold.tested) for fold in own]
        assert max(sizes) - min(sizes) <= 1
    drawn = [{fold.tested for fold in folds if fold.repeat == repeat} for repeat in range(2)]
    assert drawn[0] != drawn[1]
    assert folds == folds_of(dataset, 3)


def test_splits_are_nested_and_sealed(tmp_path: Path) -> None:
    dataset = pairs(tmp_path, 12)
    for fold in folds_of(dataset, 2):
        few, all_ = fold.split(dataset, 4), fold.split(dataset, len(fold.learnt))
        assert {*few.labeled} < {*all_.labeled} == {*fold.learnt}
        for split in (few, all_):
            assert {*split.held_out} == {*fold.tested}
            assert not {*fold.tested} & {*split.labeled, *split.unlabeled}
            everything = {*split.labeled, *split.unlabeled, *split.held_out}
            assert everything == {*dataset.train, *dataset.unlabeled}
            assert split.seed == fold.repeat


def test_near_copies_and_bursts_stay_together(tmp_path: Path) -> None:
    for number in range(6):
        picture = np.kron(noise(number)[:8, :8], np.ones((5, 5, 1), np.uint8))
        save(tmp_path / f"input/{number}a.png", picture)
        save(tmp_path / f"input/{number}b.png", np.clip(picture.astype(int) + 1, 0, 255).astype(np.uint8))
        for letter in "ab":
            save(tmp_path / f"target/{number}{letter}.png", picture)
    dataset = ImagePairs.open(tmp_path)
    dataset.test_on(0)
    assert sorted(map(sorted, groups_of(dataset))) == [[f"{n}a", f"{n}b"] for n in range(6)]
    for fold in folds_of(dataset, 2):
        assert {name[0] for name in fold.tested}.isdisjoint({name[0] for name in fold.learnt})


class Frames(Dataset):
    """Ten frames each of a scene at three times, of which one time alone is near to the next."""

    train = tuple(f"{time}{frame}" for time in "abc" for frame in range(10))
    test = ()

    def image(self, name: str) -> np.ndarray:
        scene, drift = np.random.default_rng(0).normal(0, 1, (2, 32, 32, 1))
        grain = np.random.default_rng([*name.encode()]).normal(0, 1, (32, 32, 1))
        picture = 128 + 30 * scene + 3.5 * "abc".index(name[0]) * drift + grain
        return np.repeat(picture.clip(0, 255).astype(np.uint8), 3, 2)

    def target(self, name: str) -> np.ndarray:
        return self.image(name)

    def fingerprint(self) -> str:
        return "frames"


def test_a_burst_of_more_frames_than_are_compared_at_first_stays_together() -> None:
    dataset = Frames()
    first, next_, last = ([Print.of(dataset.image(name))] for name in ("a0", "b0", "c0"))
    near = [
        len(list(find_pairs(one, other))) for one, other in ((first, next_), (next_, last), (first, last))
    ]
    assert near == [1, 1, 0]
    (burst,) = groups_of(dataset)
    assert {*burst} == {*dataset.train}


def test_what_shows_a_tested_image_is_no_unlabelled_one(tmp_path: Path) -> None:
    for number in range(7):
        picture = np.kron(noise(number)[:8, :8], np.ones((5, 5, 1), np.uint8))
        if number < 6:
            save(tmp_path / f"input/{number}.png", picture)
            save(tmp_path / f"target/{number}.png", picture)
        twin = np.clip(picture.astype(int) + 1, 0, 255).astype(np.uint8)
        save(tmp_path / f"input/{number} again.png", twin)
    dataset = ImagePairs.open(tmp_path)
    dataset.test_on(0)
    assert {*dataset.unlabeled} == {f"{number} again" for number in range(7)}
    for fold in folds_of(dataset, 1):
        split = fold.split(dataset, 2)
        shown = {*dataset.train, *dataset.unlabeled} - {*split.labeled}
        assert {*split.unlabeled} == shown - {*fold.tested} - {f"{name} again" for name in fold.tested}


def test_too_few_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"5 labelled images are too few .* label 6 or more"):
        folds_of(pairs(tmp_path, 5), 1)


@pytest.mark.parametrize(("side", "crop"), [(40, 96), (160, 96), (240, 128), (320, 192), (2000, 256)])
def test_a_crop_holds_an_object(side: int, crop: int) -> None:
    assert fitting_crop(Recipe(iterations=1, crop=96), side) == crop
