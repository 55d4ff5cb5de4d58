"""Unlabelled pictures from elsewhere: another camera, or other contents. Whether these help or hurt is asked by Oliver
et al., Realistic Evaluation of Deep Semi-Supervised Learning Algorithms, NeurIPS 2018, https://arxiv.org/abs/1804.09170.
"""

import numpy as np
from scipy import ndimage

from ssl_bench_tasks.synthetic import textures as tx
from ssl_bench_tasks.synthetic.textures import Array, Rng

WAYS = ("camera", "content")
"""By another camera the same scene is seen, with its label; other contents have things that no labelled image shows."""
FROM = "elsewhere/"
"""What ids of such pictures begin with; then comes that of the picture whose place they take."""
GAIN = (0.6, 1.4)
"""Of each channel."""
GAMMA = (0.7, 1.4)
BLUR = (0.5, 1.5)
"""Deviation of a Gaussian, px."""
NOISE = (0.03, 0.08)


def gains(rng: Rng) -> Array:
    """Another white balance and exposure, (3, 1, 1)."""
    return tx.rgb(*rng.uniform(*GAIN, 3))


def other_camera(rng: Rng, image: Array) -> Array:
    """An image (H, W, 3) uint8 with other gains and gamma, out of focus and with more noise."""
    canvas = image.transpose(2, 0, 1) / np.float32(255)
    canvas = np.clip(canvas * gains(rng), 0, 1) ** np.float32(tx.uniform(rng, *GAMMA))
    sigma = tx.uniform(rng, *BLUR)
    canvas = ndimage.gaussian_filter(canvas, (0, sigma, sigma), truncate=3)
    noise = np.float32(tx.uniform(rng, *NOISE))
    return tx.to_bytes(canvas + noise * rng.standard_normal(canvas.shape, dtype=np.float32))


def other_picture(rng: Rng, shape: tx.Shape) -> Array:
    """A picture (3, H, W) of patterns alone: patches without any thing."""
    canvas = _patterned(rng, shape)
    for _ in range(rng.integers(2, 5)):
        border = tx.value_noise(rng, shape, tx.uniform(rng, 15, 50)) - np.float32(0.5)
        tx.paint(canvas, tx.coverage(border * 40), _patterned(rng, shape))
    return canvas


def other_figure(rng: Rng, shape: tx.Shape) -> tuple[Array, Array]:
    """Mask (H, W) and colours (3, H, W) of a soft star or lens."""
    centre = (tx.uniform(rng, 0.3, 0.7) * shape[0], tx.uniform(rng, 0.3, 0.7) * shape[1])
    u, v = tx.turned(shape, centre, tx.uniform(rng, 0, 2 * np.pi))
    size = tx.uniform(rng, 20, 40)
    if rng.random() < 0.5:
        outline = tx.star(u, v, size, int(rng.integers(3, 9)), tx.uniform(rng, 0.4, 0.8))
    else:
        outline = tx.lens(u, v, size, size * tx.uniform(rng, 0.4, 0.8))
    return tx.coverage(outline, tx.uniform(rng, 1, 6)), _patterned(rng, shape)


def _patterned(rng: Rng, shape: tx.Shape) -> Array:
    pattern = tx.random_pattern(rng, shape, tx.uniform(rng, 5, 18))
    return tx.mix(*tx.colour_pair(rng, tx.uniform(rng, 0.2, 0.7)), pattern)
