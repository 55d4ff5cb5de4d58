"""Objects over clutter: a class is a shape with its texture, never a colour, and look-alikes are background."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from ssl_bench import VOID, edges
from ssl_bench_tasks.synthetic import textures as tx
from ssl_bench_tasks.synthetic.base import SyntheticDataset
from ssl_bench_tasks.synthetic.textures import Array, Rng

SIZES = (12.0, 24.0)
"""Radius of an object, px."""
OBJECTS = (4, 6)
TILT = 0.4
"""Radians either way: things stand more or less upright."""
PERIODS = (4.5, 7.5)
"""Of their textures, px."""
LOOK_ALIKES = (1, 3)


def _ball(rng: Rng, u: Array, v: Array, size: float) -> Array:
    return tx.disc(u, v, 0.85 * size)


def _board(rng: Rng, u: Array, v: Array, size: float) -> Array:
    return tx.box(u, v, size, size * tx.uniform(rng, 0.55, 0.95))


def _star(rng: Rng, u: Array, v: Array, size: float) -> Array:
    return tx.star(u, v, 1.15 * size, int(rng.integers(5, 8)), tx.uniform(rng, 0.42, 0.6))


def _wheel(rng: Rng, u: Array, v: Array, size: float) -> Array:
    rim = np.abs(tx.disc(u, v, 0.85 * size)) - np.float32(max(2.2, 0.16 * size))
    spokes = int(rng.integers(2, 4))
    for turn in np.arange(spokes) * np.pi / spokes:
        end = (float(0.85 * size * np.cos(turn)), float(0.85 * size * np.sin(turn)))
        rim = np.minimum(rim, tx.segment(u, v, (-end[0], -end[1]), end, max(1.3, 0.08 * size)))
    return rim


def _leaf(rng: Rng, u: Array, v: Array, size: float) -> Array:
    blade = tx.lens(u, v, 1.25 * size, size * tx.uniform(rng, 0.38, 0.6))
    return np.minimum(blade, tx.segment(u, v, (1.1 * size, 0), (1.8 * size, 0), 1.4))


def _blob(rng: Rng, u: Array, v: Array, size: float) -> Array:
    lumps = tx.value_noise(rng, u.shape, 0.7 * size) - np.float32(0.5)
    return tx.disc(u, v, 0.8 * size) + np.float32(size) * lumps


def _wedge(rng: Rng, u: Array, v: Array, size: float) -> Array:
    return tx.star(u, v, 1.2 * size, 3, 0.5)


def _ticks(u: Array, v: Array, period: float) -> Array:
    """Bands like the profile of a tyre: twelve to the turn, whatever the period."""
    return np.clip(0.5 + 2 * np.sin(12 * np.arctan2(v, u)), 0, 1)


Draw = Callable[[Rng, Array, Array, float], Array]
KINDS: tuple[tuple[str, Draw, tx.Pattern], ...] = (
    ("ball", _ball, tx.stripes),
    ("board", _board, tx.checks),
    ("star", _star, tx.dots),
    ("wheel", _wheel, _ticks),
    ("leaf", _leaf, tx.chevrons),
)
OTHER_PATTERNS: tuple[tx.Pattern, ...] = (tx.rings, tx.bricks)
OTHER_SHAPES: tuple[Draw, ...] = (_blob, _wedge)


class SyntheticSegmentation(SyntheticDataset):
    """96 x 112 px, five kinds of object and background, a void line 2 px wide along every object's edge."""

    task = "segmentation"
    shape = (96, 112)
    classes = ("background", *(name for name, _, _ in KINDS))

    def draw(self, rng: Rng) -> tuple[Array, Array]:
        """An image (H, W, 3) uint8 and class ids (H, W) uint8 with 255 void."""
        return self._drawn(rng, _backdrop(rng, self.shape), _some_kinds(rng))

    def draw_other(self, rng: Rng) -> tuple[Array, Array]:
        """Things of no class, as many as there are objects elsewhere: all is background."""
        return self._drawn(rng, _backdrop(rng, self.shape), [0] * int(rng.integers(*OBJECTS, endpoint=True)))

    def _drawn(self, rng: Rng, canvas: Array, kinds: list[int]) -> tuple[Array, Array]:
        label = np.zeros(self.shape, np.uint8)
        kinds += [0] * int(rng.integers(*LOOK_ALIKES, endpoint=True))
        centres = _spread(rng, self.shape, len(kinds))
        for kind, centre in zip(rng.permutation(kinds), centres, strict=True):
            mask, colours = _thing(rng, self.shape, centre, int(kind))
            tx.paint(canvas, mask, colours)
            label[mask > 0.5] = kind
        return _photograph(rng, canvas), _with_void(label)


def _some_kinds(rng: Rng) -> list[int]:
    return list(rng.integers(1, len(KINDS) + 1, rng.integers(*OBJECTS, endpoint=True)))


def _backdrop(rng: Rng, shape: tx.Shape) -> Array:
    """Two textured regions, so that texture alone says little."""
    regions = []
    for _ in range(2):
        period = tx.uniform(rng, 4, 14)
        if rng.random() < 0.6:
            field = tx.fractal(rng, shape, 3 * period)
        else:
            field = tx.random_pattern(rng, shape, period, OTHER_PATTERNS)
        ground = tx.mix(*tx.colour_pair(rng, tx.uniform(rng, 0.08, 0.25)), field)
        regions.append(ground * (0.8 + 0.4 * tx.fractal(rng, shape, 12)))
    border = tx.value_noise(rng, shape, tx.uniform(rng, 30, 60)) - np.float32(0.5)
    return tx.mix(regions[0], regions[1], tx.coverage(border * 40))


def _spread(rng: Rng, shape: tx.Shape, count: int) -> list[tuple[float, float]]:
    """Centres, each the farthest of three draws from those before it: things overlap, but seldom bury each other."""
    points: list[np.ndarray] = []
    for _ in range(count):
        draws = rng.uniform(0.05, 0.95, (3, 2)) * shape
        gaps = [min((float(np.hypot(*(draw - point))) for point in points), default=0.0) for draw in draws]
        points.append(draws[int(np.argmax(gaps))])
    return [(float(row), float(column)) for row, column in points]


def _thing(rng: Rng, shape: tx.Shape, centre: tuple[float, float], kind: int) -> tuple[Array, Array]:
    """Mask (H, W) and colours (3, H, W) of an object, or of a look-alike where `kind` is 0."""
    size = tx.uniform(rng, *SIZES)
    u, v = tx.turned(shape, centre, tx.uniform(rng, -TILT, TILT))
    period = tx.uniform(rng, *PERIODS)
    if kind:
        _, outline, pattern = KINDS[kind - 1]
        field = pattern(u, v, period)
    elif rng.random() < 0.35:
        # The right texture in a wrong outline.
        outline = OTHER_SHAPES[rng.integers(len(OTHER_SHAPES))]
        field = KINDS[rng.integers(len(KINDS))][2](u, v, period)
    else:
        # The right outline with no texture, or a texture that no class has.
        outline = KINDS[rng.integers(len(KINDS))][1]
        other = OTHER_PATTERNS[rng.integers(len(OTHER_PATTERNS))](u, v, period)
        field = other if rng.random() < 0.5 else tx.fractal(rng, shape, size)
    mask = tx.coverage(outline(rng, u, v, size))
    first, second = tx.colour_pair(rng, tx.uniform(rng, 0.45, 0.75))
    shade = 1 + np.float32(tx.uniform(rng, 0, 0.35) / size) * u
    return mask, tx.mix(first, second, field) * shade


def _photograph(rng: Rng, canvas: Array) -> Array:
    """Uneven light, a colour cast, a lens not quite in focus, a little noise: uint8."""
    cast = tx.rgb(*rng.uniform(0.85, 1.15, 3))
    canvas = canvas * tx.light(rng, canvas.shape[1:], tx.uniform(rng, 0.1, 0.5)) * cast
    sigma = tx.uniform(rng, 0.0, 0.6)
    canvas = ndimage.gaussian_filter(canvas, (0, sigma, sigma), truncate=3)
    noise = np.float32(tx.uniform(rng, 0.0, 0.04))
    return tx.to_bytes(canvas + noise * rng.standard_normal(canvas.shape, dtype=np.float32))


def _with_void(label: Array) -> Array:
    """Class ids with 255 on every pixel that touches one of another class."""
    return np.where(edges(label), np.uint8(VOID), label)
