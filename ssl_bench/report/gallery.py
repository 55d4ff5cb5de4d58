"""Pictures of a page: what methods make of some test images, embedded, to be laid over each other."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One version of an image."""

    title: str
    score: str
    """Of the image; empty for input and label."""
    uri: str
    """`data:image/png;base64,...`."""


@dataclass(frozen=True)
class Picture:
    """A test image: input, label, then a panel per method, all of one size."""

    name: str
    width: int
    height: int
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Gallery:
    """The pictures of a task."""

    title: str
    note: str
    pictures: Sequence[Picture]
    left: int
    """Panels that are shown first, one over the other."""
    right: int
    classes: Sequence[tuple[str, str]] = ()
    """Colour (`#rrggbb`) and name, where the pictures show classes."""
