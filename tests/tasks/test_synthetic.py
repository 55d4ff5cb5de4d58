"""The embedded data: deterministic, in range, and what they claim to be, measured on what they hold."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ssl_bench.errors import DataError, UsageError
from ssl_bench_tasks.synthetic import denoising, matting
from ssl_bench_tasks.synthetic.base import SyntheticDataset
from ssl_bench_tasks.synthetic.denoising import SyntheticDenoising
from ssl_bench_tasks.synthetic.matting import SyntheticMatting
from ssl_bench_tasks.synthetic.night import SyntheticNight
from ssl_bench_tasks.synthetic.segmentation import SyntheticSegmentation

SETS = (SyntheticSegmentation, SyntheticDenoising, SyntheticMatting, SyntheticNight)
FEW = tuple(f"train-{index:04d}" for index in range(12)) + tuple(f"test-{index:04d}" for index in range(4))

every_set = pytest.mark.parametrize("kind", SETS, ids=lambda kind: kind.task)


@pytest.fixture(scope="module")
def opened() -> dict[type[SyntheticDataset], SyntheticDataset]:
    """Each set once for the whole file: pictures are kept after their first drawing."""
    return {kind: kind.open(None) for kind in SETS}


Opened = dict[type[SyntheticDataset], SyntheticDataset]


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    error = np.mean((first.astype(float) - second.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / error))


@every_set
def test_ids(kind: type[SyntheticDataset], opened: Opened) -> None:
    data = opened[kind]
    assert (len(data.train), len(data.unlabeled), len(data.test)) == (128, 0, 40)
    assert (data.train[0], data.train[-1], data.test[-1]) == ("train-0000", "train-0127", "test-0039")
    assert data.path is None


@every_set
def test_same_bytes_in_a_fresh_instance_and_another_order(
    kind: type[SyntheticDataset], opened: Opened
) -> None:
    again = kind.open(None)
    for name in reversed(FEW[::3]):
        # The target first, here, and the image first there.
        target = again.target(name)
        assert np.array_equal(again.image(name), opened[kind].image(name))
        assert np.array_equal(target, opened[kind].target(name))


@every_set
def test_shapes_and_types(kind: type[SyntheticDataset], opened: Opened) -> None:
    data = opened[kind]
    height, width = data.shape
    assert height != width
    ending = {"segmentation": (), "matting": (1,)}.get(data.task, (3,))
    for name in FEW:
        image, target = data.image(name), data.target(name)
        assert image.shape == (height, width, 3)
        assert target.shape == (height, width, *ending)
        assert image.dtype == target.dtype == np.uint8
        assert image.flags.c_contiguous
        assert image.std() > 1
        assert not image.flags.writeable
        assert not target.flags.writeable


@every_set
def test_no_two_pictures_are_alike(kind: type[SyntheticDataset], opened: Opened) -> None:
    data = opened[kind]
    assert len({data.image(name).tobytes() for name in FEW}) == len(FEW)
    assert len({data.target(name).tobytes() for name in FEW}) == len(FEW)


@every_set
def test_errors_say_what_to_do(kind: type[SyntheticDataset], opened: Opened, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="made in memory; leave out the path") as error:
        kind.open(tmp_path)
    assert "\n" not in str(error.value)
    for name in ("train-0128", "test-0040", "photo"):
        with pytest.raises(DataError, match=f"no image '{name}'"):
            opened[kind].image(name)


@every_set
def test_fingerprint_follows_the_content(
    kind: type[SyntheticDataset], opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint = opened[kind].fingerprint()
    assert fingerprint == kind.open(None).fingerprint()
    assert len({opened[other].fingerprint() for other in SETS}) == len(SETS)

    class Brighter(kind):  # type: ignore[misc, valid-type]
        def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            image, target = super().draw(rng)
            image[0, 0, 0] ^= 1
            return image, target

    Brighter.__name__ = kind.__name__
    assert Brighter.open(None).fingerprint() != fingerprint
    monkeypatch.setattr(kind, "version", kind.version + 1)
    assert kind.open(None).fingerprint() != fingerprint


def test_segmentation_labels(opened: Opened) -> None:
    data = opened[SyntheticSegmentation]
    assert data.classes[0] == "background"
    assert len(data.classes) == 6
    labels = np.stack([data.target(name) for name in FEW])
    assert set(np.unique(labels)) == {*range(6), 255}
    background = (labels == 0).mean(axis=(1, 2))
    assert background.min() > 0.2
    assert background.max() < 0.95
    assert ((labels == 255).mean(axis=(1, 2)) > 0.01).all()


def test_void_parts_any_two_classes(opened: Opened) -> None:
    for name in FEW:
        label = opened[SyntheticSegmentation].target(name)
        for first, second in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1])):
            touching = (first != second) & (first != 255) & (second != 255)
            assert not touching.any()


def test_a_plain_colour_does_not_tell_the_class(opened: Opened) -> None:
    data = opened[SyntheticSegmentation]
    means: dict[int, list[np.ndarray]] = {kind: [] for kind in range(1, 6)}
    for name in data.train[:60]:
        image, label = data.image(name).astype(float), data.target(name)
        for kind, found in means.items():
            if (label == kind).sum() > 100:
                found.append(image[label == kind].mean(0))
    colours = {kind: np.array(found) for kind, found in means.items()}
    within = np.mean([found.std(0).mean() for found in colours.values()])
    between = np.stack([found.mean(0) for found in colours.values()]).std(0).mean()
    assert within > 3 * between


def test_denoising_levels(opened: Opened) -> None:
    data = opened[SyntheticDenoising]
    scores = [psnr(data.image(name), data.target(name)) for name in data.test]
    assert min(scores) > 19
    assert max(scores) < 32
    assert 23 < np.mean(scores) < 27
    assert np.std(scores) > 1.5


def test_noise_grows_with_the_light_and_clings_together(opened: Opened) -> None:
    data = opened[SyntheticDenoising]
    ratios, neighbours, channels = [], [], []
    for name in data.test:
        target = data.target(name).astype(float)
        noise = data.image(name) - target
        # Away from 0 and 255, where clipping cuts the noise off.
        inside = (target > 40) & (target < 215)
        dim, bright = inside & (target < 90), inside & (target > 150)
        if min(dim[..., 1].sum(), bright[..., 1].sum()) > 500:
            ratios.append(noise[..., 1][bright[..., 1]].var() / noise[..., 1][dim[..., 1]].var())
        green = noise[..., 1] * inside[..., 1]
        neighbours.append((green[:, 1:] * green[:, :-1]).sum() / (green * green).sum())
        channels.append(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1])
    assert len(ratios) >= 5
    assert np.median(ratios) > 1.3
    assert np.mean(neighbours) > 0.25
    assert np.std(neighbours) > 0.05
    assert np.mean(channels) > 0.1


def test_noise_has_the_level_drawn_for_it() -> None:
    clean = np.full((3, 64, 80), 0.5, np.float32)
    low, high = denoising.LEVELS
    for seed in range(5):
        noise = denoising._noise(np.random.default_rng(seed), clean)
        level = -10 * np.log10(np.mean(noise.astype(float) ** 2))
        assert low - 1e-3 <= level <= high + 1e-3


def test_mattes_are_solid_inside_and_soft_at_the_hair(opened: Opened) -> None:
    data = opened[SyntheticMatting]
    for name in FEW:
        alpha = data.target(name)
        assert 0.15 < (alpha == 255).mean() < 0.8
        assert (alpha == 0).mean() > 0.1
        assert 0.015 < ((alpha > 0) & (alpha < 255)).mean() < 0.35


def test_unknown_covers_every_fractional_pixel_of_test_images_only(opened: Opened) -> None:
    data = opened[SyntheticMatting]
    for name in data.test[:6]:
        unknown, alpha = data.unknown(name), data.target(name)[..., 0]
        assert unknown is not None
        assert unknown.shape == data.shape
        assert unknown.dtype == bool
        assert unknown[(alpha > 0) & (alpha < 255)].all()
        assert 0.05 < unknown.mean() < 0.7
        # Hand check of the reach: a pixel BAND away from a fractional one is in, one farther is not.
        rows, columns = np.nonzero((alpha > 0) & (alpha < 255))
        row, column = np.nonzero(~unknown)
        gaps = np.maximum(np.abs(row[:40, None] - rows), np.abs(column[:40, None] - columns)).min(1)
        assert gaps.min() > matting.BAND
    assert data.unknown("train-0000") is None
    with pytest.raises(DataError, match="no image"):
        data.unknown("photo")


def test_splatting_shares_a_point_among_four_pixels() -> None:
    drawn = matting._splat(np.array([1.25, 9.0]), np.array([2.5, 9.0]), np.array([0.8, 1.0]), (4, 5))
    expected = np.zeros((4, 5))
    expected[1, 2:4] = 0.8 * 0.75 * 0.5
    expected[2, 2:4] = 0.8 * 0.25 * 0.5
    assert drawn == pytest.approx(expected, abs=1e-6)


def test_night_is_dark_by_different_amounts(opened: Opened) -> None:
    data = opened[SyntheticNight]
    pairs = [(data.image(name), data.target(name)) for name in data.test]
    brightness = np.array([(image.mean(), target.mean()) for image, target in pairs])
    assert (brightness[:, 0] < 0.65 * brightness[:, 1]).all()
    assert brightness[:, 0].mean() < 60
    assert brightness[:, 1].mean() > 110
    stops = np.log2((brightness[:, 1] / brightness[:, 0]) ** 2.2)
    assert stops.std() > 0.5
    assert np.mean([psnr(image, target) for image, target in pairs]) < 12
    # A cast: red over blue changes between the two, by another factor in each picture.
    casts = [
        np.log2(i[..., 0].mean() / i[..., 2].mean() * t[..., 2].mean() / t[..., 0].mean()) for i, t in pairs
    ]
    assert np.std(casts) > 0.1


def test_importing_the_sets_does_not_import_torch() -> None:
    modules = ", ".join(f"{kind.__module__}" for kind in SETS)
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
