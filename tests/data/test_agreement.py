"""What `data check` calls an error `run` refuses, in the same words; what it lets pass, with its notes, runs."""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from conftest import Said
from PIL import Image
from test_label_faults import pairs, put, scene, turned
from test_picture_formats import bands, palette, pillow, pnm, tiff
from test_pictures import encode, png

Command = Callable[..., Said]
Make = Callable[[Path], object]
PNG = pillow("PNG")
COLOURS = np.array([(0, 0, 0), (9, 9, 200), (7, 200, 7)], np.uint8)


def image(number: int) -> np.ndarray:
    return scene(number)[0]


def ids(number: int) -> np.ndarray:
    return scene(number)[1]


@dataclass(frozen=True)
class Tree:
    """A folder and what is said of it."""

    make: Make
    error: str = ""
    """Empty: it is fit."""
    note: str = ""
    task: str = "segmentation"


def masks(label: Callable[[np.ndarray], bytes], *lines: str, ending: str = "png") -> Make:
    """Masks of 0, 1 and 2 as `label` writes them, and the lines of a classes.txt."""

    def make(root: Path) -> None:
        pairs(root, label, ending)
        if lines:
            (root / "classes.txt").write_text("\n".join(lines))

    return make


def with_file(name: str, data: Callable[[], bytes]) -> Make:
    """Good pairs, and one file more or another."""

    def make(root: Path) -> None:
        pairs(root)
        for old in root.glob(f"{name.rpartition('.')[0]}.*"):
            old.unlink()
        put(root / name, data())

    return make


def with_link(name: str, to: str) -> Make:
    return lambda root: (pairs(root) / name).symlink_to(to)


def images(write: Callable[[np.ndarray], bytes], ending: str) -> Make:
    """All images in another format."""

    def make(root: Path) -> None:
        pairs(root)
        for old in list((root / "input").iterdir()):
            old.unlink()
            put(old.with_suffix(f".{ending}"), write(image(int(old.stem[2:]))))

    return make


def restored(write: Callable[[np.ndarray], bytes], ending: str = "png") -> Make:
    """Targets that are pictures."""

    def make(root: Path) -> None:
        pairs(root)
        for old in list((root / "target").iterdir()):
            old.unlink()
            put(old.with_suffix(f".{ending}"), write(image(int(old.stem[2:]))))

    return make


def mattes(white: int, kind: type = np.uint8, black: int = 0) -> Make:
    return masks(lambda one: PNG(np.where(one > 0, white, black).astype(kind)))


def two_forms(root: Path) -> None:
    pairs(root)
    for number, form in enumerate(("NFC", "NFD")):
        put(root / "input" / f"{normalize(form, 'é')}.png", PNG(image(60 + number)))


def renamed(old: str, new: str) -> Make:
    def make(root: Path) -> None:
        pairs(root)
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)

    return make


def apart(number: int) -> Make:
    """A test folder of one pair, which may be a training pair."""

    def make(root: Path) -> None:
        pairs(root)
        put(root / "test/input/t.png", PNG(image(number)))
        put(root / "test/target/t.png", PNG(ids(number)))

    return make


def once_jpeg(one: np.ndarray) -> bytes:
    return PNG(np.asarray(Image.open(io.BytesIO(pillow("JPEG", quality=80)(one * 7)))).copy())


def gif(one: np.ndarray) -> bytes:
    return encode(Image.fromarray(one), "GIF")


def animation(form: str) -> bytes:
    return encode(Image.fromarray(image(50)), form, save_all=True, append_images=[Image.fromarray(image(51))])


TREES: dict[str, Tree] = {
    # Numbers of masks.
    "pgm of maxval 2": Tree(masks(pnm(2), ending="pgm")),
    "tiff of 2 bits": Tree(masks(tiff(2), ending="tif")),
    "tiff that counts from white": Tree(masks(tiff(8, 0), ending="tif")),
    "palette": Tree(masks(palette("PNG"))),
    "16 bits": Tree(masks(lambda one: PNG(one.astype(np.uint16)))),
    "1 bit": Tree(masks(lambda one: PNG(one > 0))),
    "jpeg": Tree(masks(lambda one: pillow("JPEG")(one * 7), ending="jpg"), "is a mask as JPEG"),
    "once jpeg": Tree(masks(once_jpeg), note="classes are pixels that lie alone"),
    "resized smoothly": Tree(
        masks(
            lambda one: PNG(np.asarray(Image.fromarray(one * 100).resize((16, 12), 2).resize((32, 24), 2)))
        ),
        "which do not number classes",
    ),
    "0 and 255": Tree(masks(lambda one: PNG((one > 0) * np.uint8(255))), "hold no class but 0"),
    "0 and 255, named": Tree(
        masks(lambda one: PNG((one > 0) * np.uint8(255)), "background", "figure"), "hold 0 and 255 alone"
    ),
    "0 and 128": Tree(masks(lambda one: PNG((one > 0) * np.uint8(128))), "hold the ids 0, 128"),
    "1, 2 and 3": Tree(masks(lambda one: PNG(one + np.uint8(1))), "hold the ids 1, 2, 3"),
    "8 bits in 16": Tree(masks(lambda one: PNG(one.astype(np.uint16) * 257)), "holds class 514"),
    "void alone": Tree(masks(lambda one: PNG(np.full_like(one, 255))), "of void alone"),
    "one mask void alone": Tree(with_file("target/im3.png", lambda: PNG(np.full_like(ids(3), 255)))),
    "grey and alpha": Tree(masks(lambda one: encode(Image.fromarray(one).convert("LA"))), "of mode LA"),
    "grey as colours": Tree(masks(lambda one: PNG(np.dstack([one] * 3))), "show classes as colours"),
    "gif": Tree(masks(gif, ending="gif"), "8 files in"),
    # classes.txt.
    "colours": Tree(masks(lambda one: PNG(COLOURS[one]), "0 0 0 bg", "9 9 200 a", "7 200 7 b")),
    "colours in hexadecimal": Tree(
        masks(lambda one: PNG(COLOURS[one]), "#000000 bg", "#0909C8 a", "#07c807 b")
    ),
    "a colour not named": Tree(masks(lambda one: PNG(COLOURS[one]), "0 0 0 bg", "9 9 200 a"), "(7, 200, 7)"),
    "commas": Tree(masks(PNG, "0,bg", "1,a", "2,b")),
    "a heading": Tree(masks(PNG, "id name", "0 bg", "1 a", "2 b"), "some lines begin with an id"),
    "ids behind": Tree(masks(PNG, "a 1", "bg 0", "b 2"), "ids behind its names"),
    "a class too few": Tree(masks(PNG, "bg", "a"), "holds class 2"),
    "a class too many": Tree(masks(PNG, "bg", "a", "b", "c"), note="no target holds `c`"),
    "in latin-1": Tree(
        lambda root: (pairs(root) / "classes.txt").write_bytes("bg\nstraße\nb".encode("latin-1")), "UTF-8"
    ),
    "with marks of another system": Tree(
        lambda root: (pairs(root) / "classes.txt").write_bytes("\ufeff0 bg\r\n1 a\r\n\r\n2 b".encode())
    ),
    # Pairs.
    "a mask twice as large": Tree(
        with_file("target/im3.png", lambda: PNG(np.kron(ids(3), np.ones((2, 2), np.uint8)))), "sizes differ"
    ),
    "a mask on its side": Tree(with_file("target/im3.png", lambda: PNG(ids(3).T.copy())), "sizes differ"),
    "exif of the image alone": Tree(with_file("input/im3.jpg", lambda: turned(image(3), 6)), "EXIF turns"),
    "exif upside down": Tree(with_file("input/im3.jpg", lambda: turned(image(3), 3)), "EXIF turns"),
    "exif of the mask alone": Tree(
        with_file("target/im3.png", lambda: turned(ids(3), 3, "PNG")), "EXIF turns"
    ),
    "exif that is none": Tree(with_file("input/im3.jpg", lambda: turned(image(3), 9))),
    "two files of one name": Tree(
        lambda root: put(pairs(root) / "input/im3.jpg", pillow("JPEG")(image(3))), "are one id"
    ),
    "one name in two forms of Unicode": Tree(two_forms, "are one id"),
    "an image in a folder of its own": Tree(
        renamed("input/im3.png", "input/sub/im3.png"), "is a target without"
    ),
    "suffixes": Tree(renamed("target/im3.png", "target/im3_mask.png")),
    "a test image in training": Tree(apart(3), "is the training image 'im3', pixel for pixel"),
    "a test image of its own": Tree(apart(90)),
    # Files.
    "nothing in a file": Tree(with_file("input/zz.png", lambda: b""), "is empty"),
    "a page of the web": Tree(with_file("input/zz.png", lambda: b"<html>404</html>"), "is no picture"),
    "half a mask": Tree(with_file("target/im3.png", lambda: PNG(ids(3))[:60]), "cut short or damaged"),
    "half a photograph": Tree(with_file("input/zz.jpg", lambda: pillow("JPEG")(image(9))[:700]), "cut short"),
    "another format than its name": Tree(with_file("input/zz.png", lambda: pillow("JPEG")(image(50)))),
    "an animated png": Tree(
        with_file("input/zz.png", lambda: animation("PNG")), "an animation of 2 pictures"
    ),
    "an animated webp": Tree(
        with_file("input/zz.webp", lambda: animation("WEBP")), "an animation of 2 pictures"
    ),
    "a format that is not read": Tree(with_file("input/zz.svg", lambda: b"x"), note="not read (.svg)"),
    "a pipe": Tree(lambda root: os.mkfifo(pairs(root) / "input/zz.png"), "not a plain file"),
    "a link to itself": Tree(with_link("input/loop", "loop"), "is a link that leads nowhere"),
    "a link to nothing": Tree(with_link("input/zz.png", "none.png"), "is a link that leads nowhere"),
    "a link to the folder above": Tree(with_link("input/up", "..")),
    "a link to an image beside": Tree(
        with_link("input/zz.png", "im3.png"), note="are the same, pixel for pixel"
    ),
    "a folder called like a picture": Tree(with_file("input/d.png/a.png", lambda: PNG(image(70)))),
    # Images.
    "cmyk": Tree(
        with_file("input/zz.jpg", lambda: encode(Image.fromarray(image(50)).convert("CMYK"), "JPEG"))
    ),
    "grey among colour": Tree(with_file("input/im2.png", lambda: PNG(image(2)[..., 0].copy()))),
    "16 bits among 8": Tree(
        with_file("input/zz.png", lambda: PNG(image(50)[..., 0].astype(np.uint16))), "save them alike"
    ),
    "12 bits in 16": Tree(
        images(lambda one: PNG(one[..., 0].astype(np.uint16) * 16), "png"), note="with 4095 as white"
    ),
    "floats": Tree(images(lambda one: bands(photometric="rgb")((one / 255).astype(np.float32)), "tif")),
    "floats up to 255": Tree(
        images(lambda one: bands(photometric="rgb")(one.astype(np.float32)), "tif"), "outside of 0 to 1"
    ),
    "no numbers": Tree(
        images(
            lambda one: bands(photometric="rgb")(np.where(one > 250, np.nan, 0.5).astype(np.float32)), "tif"
        ),
        "NaN",
    ),
    "images of 0 to 2": Tree(images(lambda one: PNG(one // np.uint8(90)), "png"), note="where 255 is white"),
    # Mattes and restored pictures.
    "mattes": Tree(mattes(255), task="matting"),
    "mattes of 0 and 1": Tree(mattes(1), note="reach 1 only", task="matting"),
    "mattes in percent": Tree(mattes(100), note="reach 100 only", task="matting"),
    "mattes of 8 bits in 16": Tree(mattes(255, np.uint16), note="reach 255 only", task="matting"),
    "white mattes": Tree(mattes(255, black=255), note="holds 255 alone", task="matting"),
    "coloured mattes": Tree(masks(lambda one: PNG(COLOURS[one])), "colour channels differ", task="matting"),
    "clean pictures that are the noisy ones": Tree(
        restored(PNG), note="8 of 8 targets are their images", task="denoising"
    ),
    "clean pictures of 16 bits": Tree(
        restored(lambda one: png(one.astype(np.uint16) * 257, 2, 16)), task="denoising"
    ),
    "clean pictures of 12 bits in 16": Tree(
        restored(lambda one: png(one.astype(np.uint16) * 16, 2, 16)),
        note="where 65535 is white",
        task="denoising",
    ),
    "clean pictures on their sides": Tree(
        restored(lambda one: PNG(one.swapaxes(0, 1).copy())), "sizes differ", task="denoising"
    ),
}


@pytest.mark.parametrize("name", TREES)
def test_check_and_run_agree(command: Command, tmp_path: Path, name: str) -> None:
    tree, root, out = TREES[name], tmp_path / "set", tmp_path / "out"
    tree.make(root)
    checked = command("data", "check", root, "--task", tree.task)
    errors = [line.removeprefix("  error").strip() for line in checked.out.splitlines() if "  error " in line]
    # A plan reads and says what a run does, and computes nothing.
    does = "run" if tree.error else "plan"
    ran = command(
        *(does, "--tasks", tree.task, "--methods", "supervised", "--data", f"{tree.task}={root}"),
        *("--labels", "all", "--backbones", "unet-small", "--out", out),
        *(("--devices", "cpu", "--set", f"{tree.task}.iterations=2") if tree.error else ()),
    )
    if tree.error:
        assert (checked.status, ran.status) == (1, 2), checked.out + ran.out
        assert any(tree.error in error for error in errors), errors
        assert tree.error in ran.err
        assert ran.err.count("\n") == 1
        assert not list(out.glob("cells/*"))
    else:
        assert (checked.status, ran.status, errors) == (0, 0, []), checked.out + ran.err
        notes = [line for line in checked.out.splitlines() if line.startswith("  note")]
        assert len(notes) == bool(tree.note), notes
        assert tree.note in checked.out
        assert tree.note in ran.out
