"""Tiles: weights by hand, and a network's whole-image prediction as the reference."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ssl_bench.errors import UsageError
from ssl_bench.train.batches import whole_image
from ssl_bench.use import tiles
from ssl_bench.use.tiles import prediction_bands, spans
from ssl_bench.use.trained import CPU, load_trained


@pytest.mark.parametrize("length", [1, 33, 1000, 1024, 1025, 1056, 1057, 1791, 1792, 1793, 4000, 6000, 7777])
@pytest.mark.parametrize("stride", [32, 224])
def test_tiles_cover_an_axis_once(length: int, stride: int) -> None:
    found = spans(length, stride)
    total = np.zeros(length)
    for span in found:
        assert span.start % stride == 0
        assert 0 <= span.start < span.stop <= length
        assert len(span.weight) <= 1024 + stride
        total[span.start : span.stop] += span.weight
    np.testing.assert_allclose(total, 1, atol=1e-6)
    for first, second in itertools.pairwise(found):
        assert first.stop - second.start >= min(256, length)
        assert not first.weight[-64:].any()
        assert not second.weight[:64].any()


def test_the_blend_is_linear_between_the_margins() -> None:
    first, second = spans(1500, 32)
    assert (first.start, first.stop, second.start, second.stop) == (0, 1024, 480, 1500)
    # The second starts early, so that both count in full in between, and each by a half.
    assert second.weight[64] == pytest.approx(0.5 / 128 / (1 + 0.5 / 128))
    assert second.weight[300] == pytest.approx(0.5)
    assert first.weight[0] == second.weight[-1] == 1


@pytest.mark.parametrize("task", ["segmentation", "denoising"])
def test_tiles_give_what_the_whole_image_gives(
    small_cell: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    trained = load_trained(small_cell(task))
    image = np.random.default_rng(0).integers(0, 255, (421, 533, 3), np.uint8)
    whole = trained.activations(whole_image(image, CPU))
    monkeypatch.setattr(tiles, "TILE", 256)
    monkeypatch.setattr(tiles, "OVERLAP", 160)
    monkeypatch.setattr(tiles, "WHOLE", 1000)
    bands = [band.clone() for band in trained.bands(image)]
    assert len(bands) > 2
    assert (torch.cat(bands, 2) - whole).abs().max() < 1e-5


def test_only_arrays_that_say_what_is_white_are_predicted(
    small_cell: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = load_trained(small_cell("night"))
    image = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    label = trained.predict(image)
    for same in (image.astype(np.uint16) * 257, image / 255, (image / 255).astype(np.float32)):
        assert np.abs(trained.predict(same).astype(int) - label).max() <= 1
    others: list[tuple[Any, str]] = [
        (image.astype(np.int64), "of int64"),
        (image.astype(np.int32), "of int32"),
        (image > 3, "of bool"),
        (image.astype(">u2"), "of >u2"),
        (image.astype(np.float32), f"of float32 from {image.min()} to {image.max()}"),
        (image / 255 - 0.1, "of float64 from -0.1 to "),
        (np.full((8, 8, 3), np.nan), "of float64 from nan to nan"),
        (image[..., 0], "of shape (24, 32)"),
        (image[None], "of shape (1, 24, 32, 3)"),
        (image.transpose(2, 0, 1), "of shape (3, 24, 32)"),
        (np.dstack([image, image[..., :1]]), "of shape (24, 32, 4)"),
        (image[:0], "empty, of shape (0, 32, 3)"),
        (Image.fromarray(image), "a Image"),
    ]
    for other, words in others:
        with pytest.raises(UsageError, match=r"give an array \(H, W, 3\) of uint8") as caught:
            trained.predict(other)
        assert f"the image is {words}" in str(caught.value)
        assert "\n" not in str(caught.value)
    # A network of one channel takes grey images as they come.
    monkeypatch.setattr(trained.task, "in_channels", 1)
    monkeypatch.setattr(
        trained.method, "predict", lambda images: images.expand(-1, trained.task.out_channels, -1, -1)
    )
    assert np.array_equal(trained.predict(image[..., 0]), trained.predict(image[..., :1]))


def test_a_small_image_is_taken_whole() -> None:
    image = np.zeros((1080, 1920, 3), np.uint8)
    sizes = []

    def predict(images: torch.Tensor) -> torch.Tensor:
        sizes.append(tuple(images.shape))
        return images

    assert [tuple(band.shape) for band in prediction_bands(predict, image, 8, CPU)] == [(1, 3, 1080, 1920)]
    assert sizes == [(1, 3, 1080, 1920)]


def test_no_seam_where_a_network_sees_each_tile_as_an_image_of_its_own() -> None:
    """Global pooling at its worst: each tile has another level. Between neighbouring pixels it changes by little."""
    ramp = np.linspace(0, 255, 3000).astype(np.uint8)
    image = np.repeat(np.tile(ramp, (800, 1))[..., None], 3, 2)

    def predict(images: torch.Tensor) -> torch.Tensor:
        return images.mean((1, 2, 3), keepdim=True).expand(-1, 1, *images.shape[2:])

    levels = next(prediction_bands(predict, image, 8, CPU))[0, 0, 0]
    assert levels.max() - levels.min() > 0.5
    assert levels.diff().abs().max() < 0.005
