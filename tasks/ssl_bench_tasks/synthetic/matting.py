"""Head-and-shoulders portraits with loose hair, laid over busy backgrounds by their alpha matte."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import ndimage

from ssl_bench_tasks.synthetic import textures as tx
from ssl_bench_tasks.synthetic.base import SyntheticDataset
from ssl_bench_tasks.synthetic.elsewhere import other_figure
from ssl_bench_tasks.synthetic.textures import Array, Rng

BAND = 4
"""Pixels by which `unknown` reaches beyond those of fractional alpha."""
STRANDS = (30, 150)
SAMPLES = 28
"""Points along one strand of hair."""
SKIN = ((0.96, 0.80, 0.69), (0.90, 0.70, 0.55), (0.76, 0.56, 0.41), (0.55, 0.38, 0.27), (0.36, 0.25, 0.19))
HAIR = (
    (0.10, 0.08, 0.08),
    (0.28, 0.18, 0.11),
    (0.52, 0.33, 0.18),
    (0.85, 0.70, 0.42),
    (0.62, 0.25, 0.12),
    (0.7, 0.7, 0.7),
)


@dataclass(frozen=True)
class Person:
    """Where the parts of one portrait lie, px; `u` runs to the right and `v` down from the middle of the head."""

    head: tuple[float, float]
    """Row and column."""
    tilt: float
    face: tuple[float, float]
    """Half width and half height."""
    style: int
    """Of the hair: 0 cropped, 1 short and full, 2 long, 3 curly, 4 tied up."""


class SyntheticMatting(SyntheticDataset):
    """112 x 96 px, upright; targets are alpha mattes (H, W, 1)."""

    task = "matting"
    shape: ClassVar[tuple[int, int]] = (112, 96)

    def draw(self, rng: Rng) -> tuple[Array, Array]:
        """A portrait (H, W, 3) and its alpha (H, W, 1), both uint8."""
        canvas = _background(rng, self.shape)
        return self._laid(rng, canvas, _layers(rng, self.shape))

    def draw_other(self, rng: Rng) -> tuple[Array, Array]:
        """A soft thing that is nobody."""
        return self._laid(rng, _background(rng, self.shape), [other_figure(rng, self.shape)])

    def _laid(self, rng: Rng, canvas: Array, layers: list[tuple[Array, Array]]) -> tuple[Array, Array]:
        clear = np.ones(self.shape, np.float32)
        for mask, colours in layers:
            # Over, layer by layer, is alpha F + (1 - alpha) B with one alpha for them all.
            tx.paint(canvas, mask, colours)
            clear *= 1 - mask
        canvas *= tx.light(rng, self.shape, tx.uniform(rng, 0.05, 0.3)) * np.float32(
            tx.uniform(rng, 0.7, 1.15)
        )
        canvas += np.float32(tx.uniform(rng, 0.0, 0.03)) * rng.standard_normal(canvas.shape, dtype=np.float32)
        return tx.to_bytes(canvas), tx.to_bytes((1 - clear)[None])

    def unknown(self, name: str) -> Array | None:
        """(H, W) bool, the band about every fractional alpha of a test image; None for training images.

        Raises DataError for an unknown id.
        """
        if name in self.train:
            return None
        alpha = self.target(name)[..., 0]
        fractional = ((alpha > 0) & (alpha < 255)).astype(np.uint8)
        return ndimage.maximum_filter(fractional, 2 * BAND + 1).astype(bool)


def _background(rng: Rng, shape: tx.Shape) -> Array:
    """A picture (3, H, W): a wall, a blurred street, foliage, or panels, with things of skin and hair colour in it."""
    contrast = tx.uniform(rng, 0.1, 0.6)
    pair = tx.colour_pair(rng, contrast)
    kind = rng.integers(4)
    if kind == 0:
        canvas = tx.mix(*pair, tx.random_pattern(rng, shape, tx.uniform(rng, 4, 16)))
    elif kind == 1:
        canvas = tx.mix(*pair, tx.fractal(rng, shape, tx.uniform(rng, 25, 60), 2))
    elif kind == 2:
        canvas = tx.mix(*pair, tx.fractal(rng, shape, tx.uniform(rng, 8, 20), 4, 0.9))
    else:
        canvas = tx.mix(*pair, tx.value_noise(rng, shape, tx.uniform(rng, 5, 25), tx.uniform(rng, 0.1, 0.5)))
    for _ in range(rng.integers(2, 8)):
        centre = (tx.uniform(rng, 0, shape[0]), tx.uniform(rng, 0, shape[1]))
        u, v = tx.turned(shape, centre, tx.uniform(rng, 0, np.pi))
        size = tx.uniform(rng, 5, 22)
        outline = (
            tx.disc(u, v, size)
            if rng.random() < 0.5
            else tx.box(u, v, size, size * tx.uniform(rng, 0.2, 1.5))
        )
        near = tx.rgb(*(SKIN + HAIR)[rng.integers(len(SKIN) + len(HAIR))])
        colour = near if rng.random() < 0.5 else tx.random_colour(rng)
        tx.paint(
            canvas, tx.coverage(outline, tx.uniform(rng, 1, 8)) * np.float32(tx.uniform(rng, 0.4, 1)), colour
        )
    return canvas


def _layers(rng: Rng, shape: tx.Shape) -> list[tuple[Array, Array]]:
    """Masks (H, W) and colours (3, H, W) of one person, back to front."""
    width = tx.uniform(rng, 13, 19)
    person = Person(
        head=(tx.uniform(rng, 36, 50), shape[1] / 2 + tx.uniform(rng, -14, 14)),
        tilt=tx.uniform(rng, -0.25, 0.25),
        face=(width, width * tx.uniform(rng, 1.2, 1.4)),
        style=int(rng.integers(5)),
    )
    u, v = tx.turned(shape, person.head, person.tilt)
    soft = tx.uniform(rng, 1.0, 2.5)
    sun = tx.uniform(rng, -0.3, 0.3) / person.face[0]
    shade = 1 + np.float32(sun) * u
    skin = tx.rgb(*SKIN[rng.integers(len(SKIN))]) * np.float32(tx.uniform(rng, 0.9, 1.1))
    behind, before, colours = _hair(rng, person, u, v, shade)
    return [
        (behind, colours),
        *_body(rng, person, shape, skin * shade, soft),
        (tx.coverage(tx.ellipse(u, v, *person.face), soft), _face(rng, person, u, v, skin * shade)),
        (before, colours * np.float32(1.05)),
    ]


def _body(rng: Rng, person: Person, shape: tx.Shape, skin: Array, soft: float) -> list[tuple[Array, Array]]:
    """Neck and clothes. The clothes are plain, patterned or mottled."""
    a, b = person.face
    u, v = tx.turned(shape, person.head, 0.4 * person.tilt)
    reach = tx.uniform(rng, 1.9, 2.6) * a
    drop = b + tx.uniform(rng, 0.35, 0.7) * a
    # Round shoulders, and below them arms that hang straight.
    tall = tx.uniform(rng, 1.2, 2.2) * a
    shoulders = tx.ellipse(u, np.minimum(v - np.float32(drop + tall), 0), reach, tall)
    neck = tx.segment(u, v, (0, 0), (0, drop + 4), 0.55 * a)
    collar = tx.ellipse(u, v - np.float32(drop), tx.uniform(rng, 0.5, 0.9) * a, tx.uniform(rng, 0.3, 0.9) * a)
    kind = rng.integers(3)
    if kind == 0:
        cloth = tx.fractal(rng, shape, 12, 3)
    elif kind == 1:
        cloth = tx.random_pattern(rng, shape, tx.uniform(rng, 3.5, 10))
    else:
        cloth = tx.value_noise(rng, shape, 30, 0.4)
    clothes = tx.mix(*tx.colour_pair(rng, tx.uniform(rng, 0.05, 0.5)), cloth)
    clothes = clothes * (0.8 + 0.4 * tx.value_noise(rng, shape, 14))
    torso = tx.coverage(shoulders, soft)
    return [
        (torso, clothes),
        (tx.coverage(np.minimum(neck, np.maximum(collar, shoulders)), soft), 0.88 * skin),
    ]


def _face(rng: Rng, person: Person, u: Array, v: Array, skin: Array) -> Array:
    """Skin with eyes, brows, nose, mouth, at times glasses or a beard: colours (3, H, W)."""
    a, b = person.face
    picture = skin * (1.08 - np.float32(0.12 / (a * a)) * (u * u + 0.3 * v * v))
    turn = np.float32(tx.uniform(rng, -0.25, 0.25) * a)
    side = np.abs(u - turn)
    x = side - np.float32(0.42 * a)
    dark = tx.rgb(0.12, 0.08, 0.08)
    if rng.random() < 0.25:
        beard = tx.coverage(-tx.ellipse(u - turn, v - np.float32(0.15 * b), 0.8 * a, 0.55 * b), 5)
        tx.paint(picture, beard * tx.coverage(np.float32(0.2 * b) - v, 4), tx.rgb(*HAIR[rng.integers(3)]))
    tx.paint(
        picture,
        tx.coverage(tx.ellipse(x, v + np.float32(0.08 * b), 0.2 * a, 0.09 * b)),
        tx.rgb(0.95, 0.95, 0.93),
    )
    tx.paint(picture, tx.coverage(tx.disc(x, v + np.float32(0.08 * b), 0.11 * a)), dark)
    tx.paint(picture, 0.8 * tx.coverage(tx.ellipse(x, v + np.float32(0.27 * b), 0.26 * a, 0.04 * b)), dark)
    tx.paint(
        picture, 0.25 * tx.coverage(tx.ellipse(side, v - np.float32(0.2 * b), 0.14 * a, 0.09 * b), 2), dark
    )
    lips = tx.ellipse(side, v - np.float32(0.5 * b), 0.36 * a, tx.uniform(rng, 0.05, 0.1) * b)
    tx.paint(picture, tx.coverage(lips), tx.rgb(0.65, 0.25, 0.25))
    if rng.random() < 0.25:
        rims = np.abs(tx.ellipse(x, v + np.float32(0.08 * b), 0.33 * a, 0.24 * b)) - np.float32(0.6)
        tx.paint(picture, tx.coverage(rims), tx.random_colour(rng, high=0.5))
    return picture


def _hair(rng: Rng, person: Person, u: Array, v: Array, shade: Array) -> tuple[Array, Array, Array]:
    """The mass of hair behind head and shoulders with its loose strands, the fringe before the face, colours."""
    a, b = person.face
    shape = (u.shape[0], u.shape[1])
    grown = (1.04, 1.25, 1.3, 1.5, 1.12)[person.style] + tx.uniform(rng, -0.03, 0.08)
    lift = np.float32(0.15 * b)
    mass = tx.ellipse(u, v + lift, grown * a, 0.96 * grown * b if person.style < 3 else grown * a)
    if person.style == 2:
        length = tx.uniform(rng, 0.9, 1.9) * b
        fall = tx.box(u, v - np.float32(length / 2), tx.uniform(rng, 0.8, 1.1) * grown * a - 3, length / 2)
        mass = np.minimum(mass, fall - np.float32(2) - 2 * tx.value_noise(rng, shape, 30, 0.15))
    elif person.style == 4:
        knot = (tx.uniform(rng, -0.4, 0.4) * a, -1.25 * b)
        mass = np.minimum(
            mass, tx.disc(u - np.float32(knot[0]), v - np.float32(knot[1]), tx.uniform(rng, 0.35, 0.6) * a)
        )
    if person.style in (0, 4):
        mass = np.maximum(mass, v - np.float32(0.2 * b))
    ragged = (0.8, 2.5, 2.5, 6.0, 1.5)[person.style]
    mass = mass + np.float32(ragged) * (tx.fractal(rng, shape, 5, 2) - np.float32(0.5))
    behind = tx.coverage(mass, tx.uniform(rng, 1.5, 6))
    loose = _strands(rng, person, mass, shape)
    line = tx.uniform(rng, 0.45, 0.75) * b
    sweep = np.float32(tx.uniform(rng, -0.5, 0.5)) * u
    fringe = np.maximum(tx.ellipse(u, v, 1.03 * a, 1.03 * b), v + np.float32(line) + sweep)
    before = tx.coverage(fringe + 3 * (tx.value_noise(rng, shape, 6, 0.3) - np.float32(0.5)), 1.5)
    dye = tx.random_colour(rng) if rng.random() < 0.1 else tx.rgb(*HAIR[rng.integers(len(HAIR))])
    gloss = 0.75 + 0.6 * tx.value_noise(rng, shape, 10, 0.15)
    return np.maximum(behind, loose), before, dye * (gloss * shade)


def _strands(rng: Rng, person: Person, mass: Array, shape: tx.Shape) -> Array:
    """Alpha (H, W) of loose hair: curves from the edge of the mass, drawn by splatting points along them."""
    count = int(rng.integers(*STRANDS))
    rows, columns = np.nonzero((mass > -3) & (mass < 0))
    start = rng.integers(len(rows), size=count)
    y, x = rows[start].astype(np.float32), columns[start].astype(np.float32)
    # Outwards, up the distance, swept to one side and down by their own weight.
    down, right = np.gradient(ndimage.uniform_filter(mass, 5))
    dy, dx = down[rows[start], columns[start]], right[rows[start], columns[start]]
    scale = np.hypot(dy, dx) + np.float32(1e-3)
    angle = np.arctan2(dy / scale, dx / scale) + rng.normal(tx.uniform(rng, -0.5, 0.5), 0.45, count)
    length = rng.gamma(3.0, tx.uniform(rng, 1.0, 3.2), count)[:, None]
    bend = rng.normal(tx.uniform(rng, -0.6, 0.6), 0.8, count)[:, None]
    t = np.linspace(0, 1, SAMPLES)[None]
    heading = angle[:, None] + bend * t
    step = length / SAMPLES
    py = y[:, None] + np.cumsum(step * np.sin(heading), 1)
    px = x[:, None] + np.cumsum(step * np.cos(heading), 1)
    weight = step * (1 - 0.7 * t) * rng.uniform(0.25, 0.95, (count, 1))
    return _splat(py.ravel(), px.ravel(), weight.ravel(), shape)


def _splat(y: Array, x: Array, weight: Array, shape: tx.Shape) -> Array:
    """Points with weights, each shared among its four pixels: (H, W) clipped to [0, 1]."""
    inside = (y >= 0) & (y < shape[0] - 1) & (x >= 0) & (x < shape[1] - 1)
    y, x, weight = y[inside], x[inside], weight[inside]
    i, j = y.astype(np.intp), x.astype(np.intp)
    fy, fx = y - i, x - j
    corner = i * shape[1] + j
    places = np.concatenate((corner, corner + 1, corner + shape[1], corner + shape[1] + 1))
    shares = np.concatenate(((1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx)) * np.tile(weight, 4)
    total = np.bincount(places, shares, shape[0] * shape[1]).reshape(shape)
    return np.clip(total, 0, 1).astype(np.float32)
