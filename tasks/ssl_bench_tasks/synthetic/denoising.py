"""Pictures with the noise of a small camera sensor: it grows with the light, clings together and blotches in colour."""

from typing import ClassVar

import numpy as np
from scipy import ndimage

from ssl_bench_tasks.synthetic import textures as tx
from ssl_bench_tasks.synthetic.base import SyntheticDataset
from ssl_bench_tasks.synthetic.elsewhere import gains, other_picture
from ssl_bench_tasks.synthetic.textures import Array, Rng

LEVELS = (20.0, 29.0)
"""PSNR of the noisy image against the clean one, dB, before clipping and rounding; drawn evenly."""
OTHER_NOISE = 2.0
"""Of another camera, over this one's."""
GLYPHS = tuple(
    np.array([[mark == "#" for mark in row] for row in glyph.split()], np.float32)
    for glyph in (
        "### #.# ### #.# #.#",
        "##. #.# ##. #.# ##.",
        "### #.. #.. #.. ###",
        "### #.. ##. #.. ###",
        "#.# #.# ### #.# #.#",
        "### .#. .#. .#. ###",
        "#.. #.. #.. #.. ###",
        "### #.# #.# #.# ###",
        "### #.# ### #.. #..",
        "### .#. .#. .#. .#.",
        "#.# #.# #.# #.# ###",
        "#.# #.# .#. #.# #.#",
        "### ..# .#. #.. ###",
        "... ... ... ... ...",
    )
)


class SyntheticDenoising(SyntheticDataset):
    """96 x 112 px; targets hold edges, gradients, fine texture and print, images the same under sensor noise.

    The model of the noise, of variance a * I + b in each pixel, is that of Foi et al., Practical Poissonian-Gaussian
    Noise Modeling and Fitting for Single-Image Raw-Data, IEEE TIP 2008; a camera's interpolation of its colour
    mosaic then correlates neighbours, within a channel and between channels.
    """

    task = "denoising"
    shape: ClassVar[tuple[int, int]] = (96, 112)

    def draw(self, rng: Rng) -> tuple[Array, Array]:
        """A noisy image and the clean one, both (H, W, 3) uint8."""
        return self._shot(rng, _clean(rng, self.shape))

    def draw_other(self, rng: Rng) -> tuple[Array, Array]:
        """Patterns, under the same noise."""
        return self._shot(rng, other_picture(rng, self.shape))

    def draw_by_other_camera(self, rng: Rng, image: Array, target: Array) -> tuple[Array, Array]:
        """With other colours, which the clean picture has as well, and more noise."""
        clean = target.transpose(2, 0, 1) / np.float32(255) * gains(rng)
        return self._shot(rng, clean, OTHER_NOISE)

    def _shot(self, rng: Rng, picture: Array, times: float = 1.0) -> tuple[Array, Array]:
        target = tx.to_bytes(picture)
        clean = np.ascontiguousarray(target.transpose(2, 0, 1)) / np.float32(255)
        return tx.to_bytes(clean + np.float32(times) * _noise(rng, clean)), target


def _clean(rng: Rng, shape: tx.Shape) -> Array:
    """A picture (3, H, W): a soft ground, layers of patterned shapes, wires, and now and then print."""
    canvas = tx.mix(
        *tx.colour_pair(rng, tx.uniform(rng, 0.1, 0.6)), tx.fractal(rng, shape, tx.uniform(rng, 20, 60), 2)
    )
    for _ in range(rng.integers(4, 8)):
        tx.paint(canvas, _outline(rng, shape), _surface(rng, shape))
    for _ in range(rng.integers(0, 4)):
        tx.paint(canvas, _wire(rng, shape), tx.random_colour(rng, low=0.0))
    for _ in range(tx.choose(rng, (0.5, 0.4, 0.1))):
        tx.paint(canvas, *_print(rng, shape))
    # Lamps and exposures differ widely, so a few pictures show only a few of the colours there are.
    lamp = tx.rgb(*rng.uniform(0.6, 1.2, 3)) * np.float32(tx.uniform(rng, 0.5, 1.15))
    return canvas * tx.light(rng, shape, tx.uniform(rng, 0.05, 0.4)) * lamp


def _outline(rng: Rng, shape: tx.Shape) -> Array:
    """Mask (H, W) of one shape, sharp or a little soft."""
    centre = (tx.uniform(rng, 0, shape[0]), tx.uniform(rng, 0, shape[1]))
    u, v = tx.turned(shape, centre, tx.uniform(rng, 0, 2 * np.pi))
    size = tx.uniform(rng, 8, 36)
    ratio = tx.uniform(rng, 0.4, 1.0)
    kind = rng.integers(6)
    if kind == 0:
        distance = tx.ellipse(u, v, size, size * ratio)
    elif kind == 1:
        distance = tx.box(u, v, size, size * ratio)
    elif kind == 2:
        distance = tx.star(u, v, size, int(rng.integers(3, 9)), tx.uniform(rng, 0.4, 0.8))
    elif kind == 3:
        distance = tx.lens(u, v, size, size * ratio)
    elif kind == 4:
        distance = u + np.float32(10) * (tx.value_noise(rng, shape, size) - np.float32(0.5))
    else:
        distance = tx.disc(u, v, 0.7 * size) + np.float32(size) * (
            tx.value_noise(rng, shape, size) - np.float32(0.5)
        )
    return tx.coverage(distance, tx.uniform(rng, 1, 3))


def _surface(rng: Rng, shape: tx.Shape) -> Array:
    """Colours (3, H, W): plain, graded, a regular pattern, or a fine grain that is easily taken for noise."""
    kind = tx.choose(rng, (0.35, 0.15, 0.5))
    if kind == 0:
        field = tx.value_noise(rng, shape, 40)
    elif kind == 1:
        field = tx.fractal(rng, shape, tx.uniform(rng, 4, 14), 3, 0.8)
    else:
        field = tx.random_pattern(rng, shape, tx.uniform(rng, 3.5, 14))
    return tx.mix(*tx.colour_pair(rng, tx.uniform(rng, 0.05, 0.6)), field)


def _wire(rng: Rng, shape: tx.Shape) -> Array:
    """Mask (H, W) of a thin line through the picture."""
    u, v = tx.turned(
        shape, (tx.uniform(rng, 0, shape[0]), tx.uniform(rng, 0, shape[1])), tx.uniform(rng, 0, np.pi)
    )
    bend = np.float32(tx.uniform(rng, -0.004, 0.004)) * u * u
    return tx.coverage(np.abs(v + bend) - np.float32(tx.uniform(rng, 0.4, 1.4)))


def _print(rng: Rng, shape: tx.Shape) -> tuple[Array, Array]:
    """Mask (H, W) and colour of a few lines of print."""
    mask = np.zeros(shape, np.float32)
    scale = 1 + tx.choose(rng, (0.45, 0.4, 0.15))
    lines, letters = int(rng.integers(1, 5)), int(rng.integers(5, 14))
    block = np.zeros((6 * lines, 4 * letters), np.float32)
    for line in range(lines):
        for place in range(letters):
            block[6 * line : 6 * line + 5, 4 * place : 4 * place + 3] = GLYPHS[rng.integers(len(GLYPHS))]
    block = block.repeat(scale, 0).repeat(scale, 1)[: shape[0], : shape[1]]
    top = int(rng.integers(0, shape[0] - block.shape[0] + 1))
    left = int(rng.integers(0, shape[1] - block.shape[1] + 1))
    mask[top : top + block.shape[0], left : left + block.shape[1]] = block
    return mask, tx.random_colour(rng, low=0.0)


def _noise(rng: Rng, clean: Array) -> Array:
    """Noise (3, H, W) for a clean picture in [0, 1]; its mean square is the level drawn for this image."""
    sigma = tx.uniform(rng, 0.3, 0.9)
    fine = ndimage.gaussian_filter(_normal(rng, clean), (0, sigma, sigma), truncate=3)
    # Interpolation of a mosaic carries green's noise into red and blue.
    shared = np.float32(tx.uniform(rng, 0.0, 0.6))
    fine += shared * fine[1:2] * np.array([1, 0, 1], np.float32).reshape(3, 1, 1)
    coarse = tx.uniform(rng, 1.2, 3.0)
    blotches = ndimage.gaussian_filter(_normal(rng, clean), (0, coarse, coarse), truncate=3)
    fine /= fine.std(axis=(1, 2), keepdims=True)
    blotches *= np.float32(tx.uniform(rng, 0.1, 0.6)) / blotches.std(axis=(1, 2), keepdims=True)
    # Green is sampled twice as often as red and blue, and white balance lifts these.
    gains = tx.rgb(tx.uniform(rng, 0.8, 1.5), 1.0, tx.uniform(rng, 0.8, 1.6))
    read = np.float32(tx.uniform(rng, 0.02, 0.4))
    noise = (fine + blotches) * gains * np.sqrt(clean + read)
    noise *= np.float32(10 ** (-tx.uniform(rng, *LEVELS) / 20)) / np.sqrt(np.mean(noise * noise))
    return noise


def _normal(rng: Rng, like: Array) -> Array:
    return rng.standard_normal(like.shape, dtype=np.float32)
