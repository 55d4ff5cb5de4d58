"""Brushes of the synthetic pictures: noise, patterns, colours, shapes, paint.

All float32. A picture is (3, H, W) and a colour (3, 1, 1) until `to_bytes`: planes are several times faster to paint.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

Array = np.ndarray
Shape = tuple[int, int]
Rng = np.random.Generator


@lru_cache(maxsize=8)
def grid(shape: Shape) -> tuple[Array, Array]:
    """Rows (H, 1) and columns (1, W) in px, read-only; they broadcast."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    pair = rows.astype(np.float32), columns.astype(np.float32)
    for array in pair:
        array.flags.writeable = False
    return pair


def turned(shape: Shape, centre: tuple[float, float], angle: float) -> tuple[Array, Array]:
    """Coordinates (u, v), each (H, W) in px, of a frame at `centre` (row, column) turned by `angle`."""
    rows, columns = grid(shape)
    y, x = rows - np.float32(centre[0]), columns - np.float32(centre[1])
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * c + y * s, y * c - x * s


def uniform(rng: Rng, low: float, high: float) -> float:
    """One draw as a plain float."""
    return float(rng.uniform(low, high))


# Noise ---------------------------------------------------------------------------------------------------


def _steps(rng: Rng, size: int, cell: float) -> tuple[Array, Array, int]:
    position = np.arange(size, dtype=np.float32) / np.float32(cell) + np.float32(rng.random())
    low = position.astype(np.intp)
    t = position - low
    return low, t * t * (3 - 2 * t), int(low[-1]) + 2


def value_noise(rng: Rng, shape: Shape, cell: float, stretch: float = 1.0) -> Array:
    """Smooth noise (H, W) in [0, 1]; a lattice of random values `cell` px apart (`cell * stretch` across)."""
    i, ty, high = _steps(rng, shape[0], cell)
    j, tx, wide = _steps(rng, shape[1], cell * stretch)
    lattice = rng.random((high, wide), dtype=np.float32)
    rows = lattice[i] + (lattice[i + 1] - lattice[i]) * ty[:, None]
    left = rows.take(j, axis=1)
    return left + (rows.take(j + 1, axis=1) - left) * tx


def fractal(rng: Rng, shape: Shape, cell: float, octaves: int = 3, falloff: float = 0.55) -> Array:
    """Value noise at `cell`, `cell / 2`, ... px, summed, (H, W) in [0, 1] about 0.5."""
    total = np.zeros(shape, np.float32)
    weight, weights = 1.0, 0.0
    for octave in range(octaves):
        total += np.float32(weight) * value_noise(rng, shape, max(cell / 2**octave, 1.0))
        weights += weight
        weight *= falloff
    return total / np.float32(weights)


# Patterns ------------------------------------------------------------------------------------------------


def _wave(phase: Array, sharpness: float) -> Array:
    """Sine of period 1, sharpened towards a square wave, in [0, 1]."""
    return np.clip(0.5 + np.float32(sharpness) * np.sin(np.float32(2 * np.pi) * phase), 0, 1)


def stripes(u: Array, v: Array, period: float) -> Array:
    """Straight bands across u, dark and bright by turns."""
    return _wave(u / np.float32(period) + 0 * v, 0.25 * period)


def checks(u: Array, v: Array, period: float) -> Array:
    """Dark and bright squares by turns, as of a chequerboard."""
    scale = np.float32(2 * np.pi / period)
    return np.clip(0.5 + np.float32(0.4 * period) * np.sin(u * scale) * np.sin(v * scale), 0, 1)


def dots(u: Array, v: Array, period: float) -> Array:
    """Round spots on a square lattice."""
    scale = np.float32(2 * np.pi / period)
    return np.clip(np.float32(0.2 * period) * (np.cos(u * scale) + np.cos(v * scale) - 0.35), 0, 1)


def bricks(u: Array, v: Array, period: float) -> Array:
    """Courses of bricks, every other one shifted by half a brick; the joints are 0."""
    course = np.floor(v / np.float32(period))
    across = (u / np.float32(2 * period) + 0.5 * (course % 2)) % 1
    along = v / np.float32(period) - course
    edge = np.minimum(np.minimum(across, 1 - across) * 2, np.minimum(along, 1 - along))
    return np.clip(np.float32(period) * edge - 0.3, 0, 1)


def chevrons(u: Array, v: Array, period: float) -> Array:
    """Bands folded about the line v = 0, like the veins of a leaf."""
    return _wave((u - np.abs(v)) / np.float32(period), 0.25 * period)


def rings(u: Array, v: Array, period: float) -> Array:
    """Concentric bands about the origin, dark and bright by turns."""
    return _wave(np.hypot(u, v) / np.float32(period), 0.25 * period)


Pattern = Callable[[Array, Array, float], Array]
"""(u, v, period), all in px, to a field (H, W) in [0, 1]."""
PATTERNS: tuple[Pattern, ...] = (stripes, checks, dots, bricks, chevrons, rings)


def random_pattern(rng: Rng, shape: Shape, period: float, among: Sequence[Pattern] = PATTERNS) -> Array:
    """One of some patterns, anywhere, at any angle and slightly warped: (H, W) in [0, 1]."""
    pattern = among[int(rng.integers(len(among)))]
    centre = (uniform(rng, 0, shape[0]), uniform(rng, 0, shape[1]))
    u, v = turned(shape, centre, uniform(rng, 0, np.pi))
    warp = np.float32(period * uniform(rng, 0, 1.5)) * value_noise(rng, shape, 6 * period)
    return pattern(u + warp, v, period)


# Colours -------------------------------------------------------------------------------------------------


def rgb(red: float, green: float, blue: float) -> Array:
    """A colour (3, 1, 1)."""
    return np.array((red, green, blue), np.float32).reshape(3, 1, 1)


def hsv(hue: float, saturation: float, value: float) -> Array:
    """RGB (3, 1, 1) of a hue in turns and a saturation and value in [0, 1]."""
    ramps = (abs((hue * 6 + offset) % 6 - 3) - 1 for offset in (0, 4, 2))
    return rgb(*(value * (1 - saturation * (1 - min(max(ramp, 0.0), 1.0))) for ramp in ramps))


def random_colour(rng: Rng, saturation: float = 0.8, low: float = 0.15, high: float = 1.0) -> Array:
    """A colour of any hue."""
    return hsv(rng.random(), uniform(rng, 0, saturation), uniform(rng, low, high))


def colour_pair(rng: Rng, contrast: float) -> tuple[Array, Array]:
    """Two colours whose values differ by about `contrast`, in random order."""
    low = uniform(rng, 0.08, 0.95 - contrast)
    pair = (
        hsv(rng.random(), uniform(rng, 0, 0.85), low),
        hsv(rng.random(), uniform(rng, 0, 0.85), low + contrast),
    )
    return pair if rng.random() < 0.5 else pair[::-1]


def mix(first: Array, second: Array, field: Array) -> Array:
    """Colours or pictures blended by a field (H, W) in [0, 1]: (3, H, W)."""
    return first + (second - first) * field


# Shapes: signed distances in px, negative inside ----------------------------------------------------------


def disc(u: Array, v: Array, radius: float) -> Array:
    """A disc about the origin."""
    return np.hypot(u, v) - np.float32(radius)


def box(u: Array, v: Array, width: float, height: float) -> Array:
    """A rectangle of half sides `width` along u and `height` along v."""
    return np.maximum(np.abs(u) - np.float32(width), np.abs(v) - np.float32(height))


def ellipse(u: Array, v: Array, width: float, height: float) -> Array:
    """An ellipse of half axes `width`, `height`; the distance is right to first order at its edge."""
    a, b = u / np.float32(width), v / np.float32(height)
    radius = np.hypot(a, b) + np.float32(1e-6)
    slope = np.hypot(a / np.float32(width), b / np.float32(height)) / radius
    return (radius - 1) / (slope + np.float32(1e-6))


def lens(u: Array, v: Array, length: float, width: float) -> Array:
    """Two arcs that meet in tips at u = -length and u = length, `2 * width` across at the middle."""
    radius = (length**2 + width**2) / (2 * width)
    return np.hypot(u, np.abs(v) + np.float32(radius - width)) - np.float32(radius)


def star(u: Array, v: Array, radius: float, points: int, depth: float) -> Array:
    """A star with tips at `radius` and notches at `depth * radius`."""
    half = np.float32(np.pi / points)
    angle = np.abs((np.arctan2(v, u) + half) % (2 * half) - half)
    distance = np.hypot(u, v)
    # The edge from tip to notch is one straight line in the folded sector.
    notch = np.array([np.cos(half), np.sin(half)]) * depth * radius
    edge = notch - (radius, 0)
    normal = (np.array([edge[1], -edge[0]]) / np.hypot(*edge)).astype(np.float32)
    return (distance * np.cos(angle) - np.float32(radius)) * normal[0] + distance * np.sin(angle) * normal[1]


def segment(u: Array, v: Array, start: tuple[float, float], end: tuple[float, float], radius: float) -> Array:
    """A line with round ends, from `start` to `end`, both (u, v)."""
    du, dv = np.float32(end[0] - start[0]), np.float32(end[1] - start[1])
    a, b = u - np.float32(start[0]), v - np.float32(start[1])
    along = np.clip((a * du + b * dv) / (du * du + dv * dv + np.float32(1e-6)), 0, 1)
    return np.hypot(a - along * du, b - along * dv) - np.float32(radius)


def coverage(distance: Array, softness: float = 1.0) -> Array:
    """How much of each pixel lies inside, in [0, 1]; the edge is `softness` px wide."""
    return np.clip(0.5 - distance / np.float32(softness), 0, 1)


# Paint ---------------------------------------------------------------------------------------------------


def paint(canvas: Array, mask: Array, colours: Array) -> None:
    """Lay a colour or picture over a picture, in place, as far as the mask (H, W) in [0, 1] says."""
    canvas += (colours - canvas) * mask


def light(rng: Rng, shape: Shape, strength: float) -> Array:
    """Uneven illumination (H, W) about 1: a slope in a random direction and slow changes."""
    u, _ = turned(shape, (shape[0] / 2, shape[1] / 2), uniform(rng, 0, 2 * np.pi))
    slope = u / np.float32(max(shape)) * np.float32(2 * strength)
    return 1 + slope + np.float32(strength) * (value_noise(rng, shape, 0.6 * max(shape)) - 0.5)


def to_bytes(picture: Array) -> Array:
    """(3, H, W) in [0, 1], clipped there, to (H, W, 3) uint8, rounded."""
    levels = (np.clip(picture, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def choose(rng: Rng, weights: Sequence[float]) -> int:
    """An index, drawn with these weights."""
    edges = np.cumsum(weights)
    return int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))
