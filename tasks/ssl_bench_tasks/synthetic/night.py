"""Streets, squares and parks by day, and the same places in the dark: no two nights have one exposure and cast."""

from typing import ClassVar

import numpy as np

from ssl_bench_tasks.synthetic import textures as tx
from ssl_bench_tasks.synthetic.base import SyntheticDataset
from ssl_bench_tasks.synthetic.elsewhere import other_picture
from ssl_bench_tasks.synthetic.textures import Array, Rng

STOPS = (2.5, 5.0)
STRAY = 0.25
"""Most stray light in a channel, of that of a white wall: it veils the dark parts."""
GAMMAS = (1.7, 2.5)
"""Of the curve that the dark picture is written with; the bright one is written with 2.2."""
SKIES = (
    ((0.35, 0.58, 0.92), (0.80, 0.90, 0.98)),
    ((0.62, 0.70, 0.78), (0.86, 0.88, 0.90)),
    ((0.48, 0.52, 0.85), (0.99, 0.78, 0.58)),
    ((0.30, 0.68, 0.80), (0.93, 0.94, 0.80)),
    ((0.78, 0.60, 0.72), (0.98, 0.86, 0.70)),
)
GROUNDS = ((0.40, 0.55, 0.26), (0.52, 0.50, 0.48), (0.72, 0.62, 0.46), (0.86, 0.87, 0.90), (0.58, 0.40, 0.30))


class SyntheticNight(SyntheticDataset):
    """96 x 112 px; targets are well-lit scenes, images the same scenes under-exposed by 2.5 to 5 stops."""

    task = "night"
    shape: ClassVar[tuple[int, int]] = (96, 112)

    def draw(self, rng: Rng) -> tuple[Array, Array]:
        """A dark image and the well-lit one, both (H, W, 3) uint8."""
        return self._shot(rng, *_scene(rng, self.shape))

    def draw_other(self, rng: Rng) -> tuple[Array, Array]:
        """Patterns in the dark, without a lamp."""
        scene = other_picture(rng, self.shape)
        return self._shot(rng, scene, np.zeros_like(scene))

    def _shot(self, rng: Rng, scene: Array, glow: Array) -> tuple[Array, Array]:
        linear = np.clip(scene, 0, 1) ** np.float32(2.2)
        target = tx.to_bytes((linear + glow) ** np.float32(1 / 2.2))
        return tx.to_bytes(_dark(rng, linear, glow)), target


def _dark(rng: Rng, linear: Array, glow: Array) -> Array:
    """A linear scene (3, H, W) in [0, 1] as a camera writes it by night.

    Under-exposure, stray light, cast and vignetting act on light; then come shot and read noise; last the curve.
    """
    shape = (linear.shape[1], linear.shape[2])
    u, v = tx.turned(shape, (shape[0] / 2, shape[1] / 2), 0)
    corner = (u * u + v * v) / np.float32(shape[0] ** 2 + shape[1] ** 2) * 4
    vignette = 1 - np.float32(tx.uniform(rng, 0, 0.7)) * corner
    warmth = tx.uniform(rng, -0.6, 0.6)
    cast = tx.rgb(2**warmth, 2 ** tx.uniform(rng, -0.3, 0.3), 2**-warmth)
    exposure = np.float32(2 ** -tx.uniform(rng, *STOPS))
    stray = tx.rgb(*rng.uniform(0, STRAY, 3)) * exposure
    # Lamps burn on, so they tell how far everything else was turned down, and in which colour.
    dark = linear * vignette * tx.light(rng, shape, tx.uniform(rng, 0, 0.5)) * exposure + stray
    dark = (dark + glow * np.sqrt(exposure)) * cast
    shot, read = tx.uniform(rng, 1e-4, 1.5e-3), tx.uniform(rng, 0.0005, 0.003)
    deviation = np.sqrt(np.float32(shot) * np.maximum(dark, 0) + np.float32(read**2))
    dark = dark + deviation * rng.standard_normal(dark.shape, dtype=np.float32)
    return np.maximum(dark, 0) ** np.float32(1 / tx.uniform(rng, *GAMMAS))


def _scene(rng: Rng, shape: tx.Shape) -> tuple[Array, Array]:
    """A scene (3, H, W), gamma-encoded, and the linear light of its lamps (3, H, W)."""
    canvas = _sky(rng, shape)
    horizon = int(rng.integers(48, 72))
    place = rng.integers(3)
    _hills(rng, canvas, horizon)
    if place != 2:
        _houses(rng, canvas, horizon + int(rng.integers(0, 6)))
    _ground(rng, canvas, horizon)
    trees, cars = ((2, 3), (1, 3), (6, 1))[place]
    for _ in range(rng.integers(0, trees + 1)):
        _tree(rng, canvas, horizon)
    for _ in range(rng.integers(0, cars + 1)):
        _car(rng, canvas, horizon)
    glow = np.zeros_like(canvas)
    for _ in range(rng.integers(1, 5)):
        _lamp(rng, canvas, glow, horizon)
    canvas *= tx.light(rng, shape, tx.uniform(rng, 0, 0.2))
    return canvas, glow


def _sky(rng: Rng, shape: tx.Shape) -> Array:
    rows, _ = tx.grid(shape)
    top, low = (tx.rgb(*colour) for colour in SKIES[rng.integers(len(SKIES))])
    canvas = tx.mix(top, low, np.clip(rows / np.float32(60), 0, 1) + np.zeros(shape, np.float32))
    canvas *= np.float32(tx.uniform(rng, 0.85, 1.05))
    cloud = tx.value_noise(rng, shape, 14, 2.5) * 0.6 + tx.fractal(rng, shape, 9) * 0.4
    cover = tx.uniform(rng, 0.3, 0.65)
    tx.paint(canvas, np.clip((cloud - np.float32(cover)) * 5, 0, 1), tx.rgb(0.96, 0.96, 0.97))
    return canvas


def _hills(rng: Rng, canvas: Array, horizon: int) -> None:
    shape = (canvas.shape[1], canvas.shape[2])
    rows, _ = tx.grid(shape)
    for layer in range(rng.integers(0, 3)):
        ridge = tx.value_noise(rng, (1, shape[1]), 24) * np.float32(tx.uniform(rng, 8, 26))
        mask = tx.coverage(np.float32(horizon - 4 + 4 * layer) - ridge - rows)
        colour = tx.hsv(tx.uniform(rng, 0.25, 0.65), tx.uniform(rng, 0.15, 0.5), tx.uniform(rng, 0.4, 0.75))
        tx.paint(canvas, mask, colour * (0.85 + 0.3 * tx.fractal(rng, shape, 8)))


def _houses(rng: Rng, canvas: Array, foot: int) -> None:
    """A row of fronts, drawn into their own rectangles: wall, windows, at times a gable or a shop."""
    width = canvas.shape[2]
    left = int(rng.integers(-12, 14))
    while left < width:
        wide, tall = int(rng.integers(14, 38)), int(rng.integers(18, foot - 4))
        right, top = min(left + wide, width), foot - tall
        start = max(left, 0)
        if right - start > 3:
            _house(rng, canvas[:, top:foot, start:right], canvas[:, max(top - 8, 0) : top, start:right])
        left += wide + (int(rng.integers(2, 20)) if rng.random() < 0.4 else 0)


def _house(rng: Rng, front: Array, above: Array) -> None:
    """Paint a front and, in the space above it, perhaps a gable; both are views of the canvas (3, h, w)."""
    _, tall, wide = front.shape
    wall = tx.hsv(
        tx.uniform(rng, 0.0, 0.16) if rng.random() < 0.7 else rng.random(),
        tx.uniform(rng, 0.05, 0.6),
        tx.uniform(rng, 0.45, 0.95),
    )
    u, v = tx.turned((tall, wide), (0, 0), 0)
    if rng.random() < 0.4:
        relief = tx.bricks(u, v, tx.uniform(rng, 3, 4.5))
    else:
        relief = tx.fractal(rng, (tall, wide), tx.uniform(rng, 3, 12))
    front[:] = wall * (0.8 + 0.25 * relief)
    across, down = int(rng.integers(5, 9)), int(rng.integers(6, 11))
    pane_wide, pane_tall = int(rng.integers(2, across - 1)), int(rng.integers(3, down - 1))
    glass = tx.hsv(tx.uniform(rng, 0.5, 0.65), tx.uniform(rng, 0.1, 0.5), tx.uniform(rng, 0.2, 0.6))
    warm = tx.rgb(1.0, 0.86, 0.5)
    for row in range(3, tall - pane_tall - 3, down):
        for column in range(2, wide - pane_wide, across):
            pane = warm if rng.random() < 0.2 else glass * np.float32(tx.uniform(rng, 0.8, 1.2))
            front[:, row : row + pane_tall, column : column + pane_wide] = pane
    if rng.random() < 0.35:
        front[:, -5:, 1:-1] = tx.random_colour(rng, low=0.3)
        front[:, -4:, 2:-2:4] = glass
    if rng.random() < 0.5 and above.size:
        y, x = tx.grid((above.shape[1], wide))
        slope = np.abs(x - np.float32(wide / 2)) * np.float32(2 * above.shape[1] / wide) - y
        roof = tx.hsv(tx.uniform(rng, 0.0, 0.1), tx.uniform(rng, 0.1, 0.7), tx.uniform(rng, 0.3, 0.7))
        tx.paint(above, tx.coverage(slope), roof)


def _ground(rng: Rng, canvas: Array, horizon: int) -> None:
    """Grass, stone, sand, snow or clay, with paving or a road that runs to the horizon."""
    floor = canvas[:, horizon:]
    shape = (floor.shape[1], floor.shape[2])
    rows, columns = tx.grid(shape)
    colour = tx.rgb(*GROUNDS[rng.integers(len(GROUNDS))]) * np.float32(tx.uniform(rng, 0.8, 1.1))
    floor[:] = colour * (0.8 + 0.4 * tx.fractal(rng, shape, tx.uniform(rng, 3, 9), 3, 0.8))
    depth = 1 / (rows + 3)
    middle = np.float32(tx.uniform(rng, 0.2, 0.8) * shape[1])
    across = (columns - middle) * depth
    if rng.random() < 0.35:
        paving = tx.checks(across * 20, 400 * depth + 0 * columns, 10.0)
        floor *= 0.85 + 0.3 * paving
    if rng.random() < 0.6:
        half = np.float32(tx.uniform(rng, 0.5, 1.4))
        road = np.clip((half - np.abs(across)) * (rows + 3) + 0.5, 0, 1)
        tx.paint(
            floor,
            road,
            tx.hsv(0.6, 0.06, tx.uniform(rng, 0.3, 0.5)) * (0.9 + 0.2 * tx.fractal(rng, shape, 4)),
        )
        dash = (np.abs(across) < 0.05) & ((60 * depth) % 2 < 1)
        tx.paint(floor, dash.astype(np.float32), tx.rgb(0.95, 0.95, 0.9))


def _tree(rng: Rng, canvas: Array, horizon: int) -> None:
    shape = (canvas.shape[1], canvas.shape[2])
    foot = (horizon + tx.uniform(rng, 0, 20), tx.uniform(rng, 0, shape[1]))
    u, v = tx.turned(shape, foot, 0)
    tall, wide = tx.uniform(rng, 18, 44), tx.uniform(rng, 6, 15)
    trunk = tx.box(u, v + np.float32(tall / 4), tx.uniform(rng, 0.8, 2), tall / 4)
    tx.paint(canvas, tx.coverage(trunk), tx.hsv(0.07, 0.5, tx.uniform(rng, 0.25, 0.5)))
    lumps = tx.fractal(rng, shape, 6, 3, 0.8)
    if rng.random() < 0.4:
        crown = np.abs(u) - (v + np.float32(tall)) * np.float32(0.6 * wide / tall)
        crown = np.maximum(crown, v + np.float32(tall / 5))
    else:
        crown = tx.ellipse(u, v + np.float32(0.65 * tall), wide, 0.38 * tall)
    hue = tx.uniform(rng, 0.2, 0.38) if rng.random() < 0.75 else tx.uniform(rng, 0.02, 0.14)
    leaves = tx.hsv(hue, tx.uniform(rng, 0.4, 0.8), tx.uniform(rng, 0.35, 0.7))
    tx.paint(canvas, tx.coverage(crown + 8 * (lumps - np.float32(0.5)), 1.5), leaves * (0.5 + lumps))


def _car(rng: Rng, canvas: Array, horizon: int) -> None:
    shape = (canvas.shape[1], canvas.shape[2])
    row = tx.uniform(rng, horizon + 5, shape[0] - 4)
    size = np.float32(0.35 + (row - horizon) / 60)
    u, v = tx.turned(shape, (row, tx.uniform(rng, 0, shape[1])), 0)
    u, v = u / size, v / size
    paintwork = tx.hsv(rng.random(), tx.uniform(rng, 0.1, 0.9), tx.uniform(rng, 0.3, 0.95))
    shadow = tx.ellipse(u, v - np.float32(5), 17, 2.5)
    tx.paint(canvas, 0.6 * tx.coverage(shadow, 2), tx.rgb(0.1, 0.1, 0.1))
    cabin = np.maximum(tx.ellipse(u, v + np.float32(3), 9, 7), v)
    for part, colour in (
        (np.minimum(tx.box(u, v, 15, 3) - 1, cabin), paintwork),
        (np.maximum(cabin + np.float32(1.5), v + np.float32(3)), tx.rgb(0.25, 0.32, 0.4)),
        (tx.disc(np.abs(u) - np.float32(9), v - np.float32(4), 3), tx.rgb(0.1, 0.1, 0.1)),
        (tx.disc(np.abs(u) - np.float32(9), v - np.float32(4), 1.2), tx.rgb(0.7, 0.7, 0.7)),
    ):
        tx.paint(canvas, tx.coverage(part * size), colour)


def _lamp(rng: Rng, canvas: Array, glow: Array, horizon: int) -> None:
    """A street lamp: pole and globe on the canvas, light added to `glow`."""
    shape = (canvas.shape[1], canvas.shape[2])
    foot, tall = horizon + tx.uniform(rng, 4, 24), tx.uniform(rng, 24, 44)
    u, v = tx.turned(shape, (foot, tx.uniform(rng, 4, shape[1] - 4)), 0)
    tx.paint(canvas, tx.coverage(tx.segment(u, v, (0, 0), (0, -tall), 0.7)), tx.rgb(0.2, 0.2, 0.22))
    globe = tx.disc(u, v + np.float32(tall), tx.uniform(rng, 1.6, 2.8))
    tx.paint(canvas, tx.coverage(globe), tx.rgb(1.0, 0.95, 0.8))
    halo = np.exp(-np.maximum(globe, 0) / np.float32(tx.uniform(rng, 3, 7)))
    glow += (0.25 * halo + tx.coverage(globe)) * tx.rgb(1.0, 0.8, 0.5)
