"""Labels as people have them: `data check` and `run` find the same, and nothing is read at another value in silence."""

import shutil
from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from conftest import Said
from PIL import Image
from test_picture_formats import palette, pillow, pnm, tiff
from test_pictures import encode, png

from ssl_bench.data.class_table import parse_classes
from ssl_bench.data.scan import IGNORED
from ssl_bench.dataset import VOID
from ssl_bench.errors import DataError
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench_tasks.layouts.pairs import AlphaPairs, ImagePairs, SegmentationPairs

Command = Callable[..., Said]
SIZE = (24, 32)
GREY = pillow("PNG")


def scene(number: int, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A picture of three blocks over noise, and their ids 0 to 2."""
    generator = np.random.default_rng(number)
    image = generator.integers(0, 90, (*size, 3)).astype(np.uint8)
    ids = np.zeros(size, np.uint8)
    for label in (1, 2):
        top, left = generator.integers(0, size[0] - 8), generator.integers(0, size[1] - 8)
        ids[top : top + 8, left : left + 8] = label
        image[top : top + 8, left : left + 8] = generator.integers(90, 256, 3)
    return image, ids


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def pairs(
    root: Path,
    label: Callable[[np.ndarray], bytes] = GREY,
    ending: str = "png",
    *,
    count: int = 8,
    unlabeled: int = 2,
) -> Path:
    """Images, and labels of the first ones, written by `label` from ids."""
    for number in range(count + unlabeled):
        image, ids = scene(number)
        put(root / f"input/im{number}.png", pillow("PNG")(image))
        if number < count:
            put(root / f"target/im{number}.{ending}", label(ids))
    return root


class Both:
    """`data check` and `run` on one folder."""

    def __init__(self, command: Command, root: Path, task: str, *more: object) -> None:
        self.root = root
        self.checked = command("data", "check", root, "--task", task)
        quick = [
            f"{task}.{field}" for field in ("iterations=2", "crop=16", "labeled_rows=1", "unlabeled_rows=1")
        ]
        self.ran = command(
            *("run", "--tasks", task, "--methods", "supervised", "--data", f"{task}={root}", "--labels", "all"),
            *(word for setting in quick for word in ("--set", setting)),
            *("--devices", "cpu", "--jobs", 1, "--out", root.parent / f"out-{root.name}", *more),
            *("--backbones", "unet-small"),
        )  # fmt: skip

    def errors(self) -> list[str]:
        found = [line for line in self.checked.out.splitlines() if line.startswith("  error")]
        return [line.removeprefix("  error").strip() for line in found]

    def refuse(self, *words: str) -> None:
        """Both do, in the same words, and no cell is made."""
        assert (self.checked.status, self.ran.status) == (1, 2)
        assert self.ran.err.count("\n") == 1
        said = self.ran.err.removeprefix("ssl-bench: ").strip().partition(" (and ")[0]
        assert any(error.startswith(said) for error in self.errors())
        for word in words:
            assert word in self.ran.err
            assert word in self.checked.out
        assert not list(self.root.parent.glob(f"out-{self.root.name}/cells/*"))

    def accept(self, *notes: str) -> None:
        """Both do, with the same notes."""
        assert (self.checked.status, self.ran.status) == (0, 0), self.ran.err
        for note in notes:
            assert note in self.checked.out
            # Before the run, and again under the scores.
            assert self.ran.out.count(f": {note}") == 2
            assert f": {note}" in self.ran.out.partition("\nwrote ")[2]


def coloured(ids: np.ndarray) -> bytes:
    return pillow("PNG")(np.array([(0, 0, 0), (200, 30, 30), (20, 20, 220)], np.uint8)[ids])


BAD_MASKS = {
    "0 and 255, named": (lambda ids: GREY((ids > 0) * np.uint8(255)), "png", "a\nb\n", "255 is void: no pixel is `b`"),
    "0 and 255": (lambda ids: GREY((ids > 0) * np.uint8(255)), "png", "", "hold no class but 0 (255 is void)"),
    "0 and 128": (lambda ids: pillow("PNG")((ids > 0) * np.uint8(128)), "png", "", "hold the ids 0, 128, which do not"),
    "0, 7 and 14": (lambda ids: pillow("PNG")(ids * 7), "png", "", "hold the ids 0, 7, 14, which do not number"),
    "1, 2 and 3": (lambda ids: pillow("PNG")(ids + 1), "png", "", "hold the ids 1, 2, 3, which do not number"),
    "an id that nothing names": (lambda ids: GREY(ids * 7), "png", "0 a\n7 b\n", "holds id 14, which classes.txt"),
    "inverted": (lambda ids: pillow("PNG")(255 - ids), "png", "", "hold the ids 253, 254, which do not number"),
    "JPEG": (lambda ids: pillow("JPEG")(ids * 100), "jpg", "", "is a mask as JPEG"),
    "JPEG of colours": (lambda ids: pillow("JPEG")(np.dstack([ids * 100] * 3)), "jpg", "0 0 0 a\n9 9 9 b\n", "as JPEG"),
    "JPEG in a TIFF": (lambda ids: pillow("TIFF", compression="jpeg")(ids * 100), "tif", "", "is a mask as TIFF"),
    "colours": (coloured, "png", "", "8 of 8 masks in {root} show classes as colours"),
    "a colour that nothing names": (coloured, "png", "0 0 0 a\n200 30 30 b\n", "pixels of colour (20, 20, 220)"),
    "void alone": (lambda ids: pillow("PNG")(ids * 0 + 255), "png", "a\nb\n", "every pixel of every target is void"),
    "as GIF": (pillow("GIF"), "gif", "", "8 files in {root}/target are of a format that is not read (.gif)"),
    "names of others": (pillow("PNG"), "of_him.png", "", "is a target without its image in {root}/input (and 7 more"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_MASKS)
def test_masks_that_both_refuse(command: Command, tmp_path: Path, fault: str) -> None:
    label, ending, classes, words = BAD_MASKS[fault]
    root = pairs(tmp_path / "set", label, ending)
    if classes:
        (root / "classes.txt").write_text(classes)
    Both(command, root, "segmentation").refuse(words.format(root=root))


GOOD_MASKS = {
    "PGM of maxval 2": (pnm(2), "pgm", ""),
    "TIFF of 2 bits": (tiff(2), "tif", ""),
    "TIFF of 4 bits": (tiff(4), "tiff", ""),
    "TIFF where 0 is white": (tiff(8, 0), "tif", ""),
    "TIFF by LZW": (pillow("TIFF", compression="tiff_lzw"), "tif", ""),
    "16 bits": (lambda ids: pillow("PNG")(ids.astype(np.uint16)), "png", ""),
    "palette": (palette("PNG"), "png", ""),
    "PNG of 2 bits": (lambda ids: png(np.packbits((ids[..., None] >> np.array([1, 0])) & 1, axis=None)
                                      .reshape(SIZE[0], -1, 1), 0, 2), "png", ""),
    "ids with gaps, named": (lambda ids: pillow("PNG")(ids * 7), "png", "14 b\n0 sky\n7 a\n255 void\n"),
    "0, 128 and 255, named": (lambda ids: GREY(np.array([0, 128, 255], np.uint8)[ids]), "png", "0 sky\n128 a\n255 b\n"),
    "ids above 255, named": (lambda ids: pillow("PNG")(ids.astype(np.uint16) * 1000), "png", "0 sky\n1000 a\n2000 b\n"),
    "colours, named": (coloured, "png", "sky 0 0 0\na 200 30 30\nb 20 20 220\n"),
    "colours first": (coloured, "png", "0 0 0 sky\n200 30 30 a\n20 20 220 b\n9 9 9 void\n"),
    "suffix": (pillow("PNG"), "mask.png", ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD_MASKS)
def test_masks_that_are_read_as_they_are(tmp_path: Path, kind: str) -> None:
    label, ending, classes = GOOD_MASKS[kind]
    root = pairs(tmp_path / "set", label, ending)
    if kind == "suffix":
        for path in (root / "target").iterdir():
            path.rename(path.with_name(path.name.replace(".mask", "_mask")))
    if classes:
        (root / "classes.txt").write_text(classes)
    data = SegmentationPairs.open(root)
    assert len(data.classes) == 3
    for number in range(8):
        assert np.array_equal(data.target(f"im{number}"), scene(number)[1])


def test_0_and_255_are_two_classes_where_classes_txt_says_so(command: Command, tmp_path: Path) -> None:
    root = pairs(tmp_path / "set", lambda ids: pillow("PNG")((ids > 0) * np.uint8(255)))
    (root / "classes.txt").write_text("0 ground\n255 figure\n")
    assert np.array_equal(SegmentationPairs.open(root).target("im0"), scene(0)[1] > 0)
    Both(command, root, "segmentation").accept()


def test_the_reading_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set", lambda ids: pillow("PNG")(ids * 7))
    prints = []
    for text in ("0 a\n7 b\n14 c\n", "0 a\n7 b\n14 c\n21 void\n"):
        (root / "classes.txt").write_text(text)
        prints.append(SegmentationPairs.open(root).fingerprint())
    assert prints[0] != prints[1]
    # The same bytes were once read as 0, 128 and 255: a record of then must not pass for one of now.
    plain, stretched = (pairs(tmp_path / name, pnm(white), "pgm") for name, white in (("c", 255), ("d", 2)))
    for one in (plain, stretched):
        (one / "classes.txt").write_text("a\nb\nc\n")
    opened = SegmentationPairs.open(stretched)
    before = opened.fingerprint()
    opened._restated.clear()
    opened._fingerprint = ""
    assert opened.fingerprint() != before
    assert not SegmentationPairs.open(plain)._restated


@pytest.mark.parametrize(
    ("lines", "names", "stored"),
    [
        (["a", "b"], ("a", "b"), {}),
        (["1 b", "0 a", "255 void"], ("a", "b"), {}),
        (["0 a", "2 b"], ("a", "b"), {0: 0, 2: 1, 255: 255}),
        (["0 a", "255 b"], ("a", "b"), {0: 0, 255: 1}),
        (["0 void", "7 a", "8 b"], ("a", "b"), {0: 255, 7: 0, 8: 1, 255: 255}),
        (["255 0 0 a", "0 0 255 b", "0 0 0 void"], ("a", "b"), {}),
        (["a b: 255, 0, 0", "c: 0, 0, 255"], ("a b", "c"), {}),
        (["0 a 255 0 0", "1 b 0 0 255"], ("a", "b"), {}),
    ],
)
def test_forms_of_classes_txt(lines: list[str], names: tuple[str, ...], stored: dict[int, int]) -> None:
    table = parse_classes(lines, Path("classes.txt"))
    assert (table.names, table.stored) == (names, stored)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["0 0 0 a", "b"], "some lines have a colour and some have none"),
        (["0 0 0 a", "0 0 0 b"], "each colour once"),
        (["0 0 300 a", "0 0 0 b"], "three numbers from 0 to 255"),
        (["1 a 255 0 0", "2 b 0 0 255"], "ids beside colours must be 0, 1, 2"),
        (["0 a", "70000 b"], "up to 65535"),
        (["0 0 0 a", "9 9 9 void"], "names 1 classes"),
    ],
)
def test_classes_txt_in_doubt(lines: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        parse_classes(lines, Path("classes.txt"))


def test_255_that_is_called_a_class_is_noted(command: Command, tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    (root / "classes.txt").write_text("0 a\n1 b\n2 c\n255 car\n")
    Both(command, root, "segmentation").accept(f"{root}/classes.txt calls 255 `car`: it is void")


@pytest.mark.parametrize(
    ("classes", "note"),
    [
        (
            "0 void\n1 a\n2 b\n",
            "makes `void` class 0, learnt and scored like any other; if it is none, let the masks",
        ),
        ("a\nb\nIgnore\n", "makes `Ignore` class 2, learnt and scored"),
        ("0 a\n1 unlabeled\n2 b\n255 void\n", "makes `unlabeled` class 1, learnt and scored"),
    ],
)
def test_a_name_of_void_that_is_scored_is_noted(
    command: Command, tmp_path: Path, classes: str, note: str
) -> None:
    root = pairs(tmp_path / "set")
    (root / "classes.txt").write_text(classes)
    Both(command, root, "segmentation").accept(f"{root}/classes.txt {note}")


def test_what_the_note_of_a_scored_void_tells_to_do_does_it(command: Command, tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    (root / "classes.txt").write_text("0 void\n1 a\n2 b\n")
    (root / "target").rename(root / "masks")
    arguments = ("data", "mend", root / "masks", "--out", root / "target", "--map", "0=255,1=1,2=2,255=255")
    assert command(*arguments).status == 0
    (root / "classes.txt").write_text("1 a\n2 b\n")
    data = SegmentationPairs.open(root)
    assert data.classes == ("a", "b")
    (note,) = data.notes
    assert "is not looked into: masks" in note
    assert {int(number) for name in data.train for number in np.unique(data.target(name))} == {0, 1, VOID}


@pytest.mark.parametrize(
    "lines", [["0 void", "7 a", "8 b"], ["0 a", "1 b", "255 void"], ["0 0 0 void", "9 9 9 a", "9 0 0 b"]]
)
def test_void_that_is_none_of_the_classes_is_not_noted(lines: list[str]) -> None:
    table = parse_classes(lines, Path("classes.txt"))
    assert (table.names, table.notes) == (("a", "b"), ())


def test_mattes_of_0_and_1_are_noted_by_both(command: Command, tmp_path: Path) -> None:
    root = pairs(tmp_path / "set", lambda ids: pillow("PNG")((ids > 0).astype(np.uint8)))
    Both(command, root, "matting").accept("targets of uint8 reach 1 only, where 255 is white")


COPIES = {
    "as it is": lambda image: pillow("PNG")(image),
    "packed otherwise": lambda image: pillow("PNG", compress_level=1)(image),
    "BMP": lambda image: pillow("BMP")(image),
    "JPEG": lambda image: pillow("JPEG", quality=90)(image),
    "JPEG of quality 60": lambda image: pillow("JPEG", quality=60)(image),
    "JPEG of quality 20": lambda image: pillow("JPEG", quality=20)(image),
    "grey": lambda image: pillow("PNG")(np.asarray(Image.fromarray(image).convert("L"))),
    "palette": lambda image: encode(Image.fromarray(image).convert("P")),
    "palette of 64 colours": lambda image: encode(Image.fromarray(image).quantize(64)),
    "with alpha": lambda image: encode(Image.fromarray(image).convert("RGBA")),
    "turned, and back by EXIF": lambda image: turned(np.rot90(image), 6, "PNG"),
    "TIFF": lambda image: pillow("TIFF")(image),
    "lossy WebP": lambda image: pillow("WEBP", quality=80)(image),
    "half the size": lambda image: pillow("PNG")(
        np.asarray(Image.fromarray(image).resize((48, 36), Image.Resampling.BICUBIC))
    ),
    "a third of the size": lambda image: pillow("PNG")(
        np.asarray(Image.fromarray(image).resize((32, 24), Image.Resampling.BILINEAR))
    ),
    "twice the size, as JPEG": lambda image: pillow("JPEG", quality=50)(
        np.asarray(Image.fromarray(image).resize((192, 144), Image.Resampling.BICUBIC))
    ),
    "stretched": lambda image: pillow("PNG")(np.asarray(Image.fromarray(image).resize((64, 64)))),
    "with noise": lambda image: pillow("PNG")(
        np.clip(image + np.random.default_rng(0).normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    ),
}


def smooth(root: Path) -> Path:
    """Pairs of pictures of 96 x 72 px, as smooth as photographs."""
    for number in range(8):
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
        image = Image.fromarray(coarse).resize((96, 72), Image.Resampling.BICUBIC)
        put(root / f"input/im{number}.png", pillow("PNG")(np.asarray(image)))
        put(root / f"target/im{number}.png", pillow("PNG")(np.asarray(image)))
    return root


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("place", ["input", "unlabeled"])
def test_a_test_image_in_training_is_found(command: Command, tmp_path: Path, kind: str, place: str) -> None:
    root = smooth(tmp_path / "set")
    test = ImagePairs.open(root).test[0]
    image = np.asarray(Image.open(root / f"input/{test}.png"))
    data = COPIES[kind](image)
    copy = put(root / f"{place}/zz{'.jpg' if data.startswith(bytes([255])) else '.png'}", data)
    Both(command, root, "night").refuse(
        str(copy), f"input/{test}.png", "which no method may train on; take it out"
    )


def test_a_test_image_with_a_label_in_training_is_found(command: Command, tmp_path: Path) -> None:
    root = smooth(tmp_path / "set")
    for part in ("input", "target"):
        for number in range(8):
            put(root / f"train/{part}/im{number}.png", (root / f"{part}/im{number}.png").read_bytes())
        put(root / f"test/{part}/t.png", (root / f"{part}/im3.png").read_bytes())
        shutil.rmtree(root / part)
    Both(command, root, "night").refuse(
        "test image 't' is the training image 'im3', pixel for pixel", "take one of them"
    )


def test_a_copy_in_a_further_folder_is_found(command: Command, tmp_path: Path) -> None:
    root = smooth(tmp_path / "set")
    test = ImagePairs.open(root).test[0]
    put(tmp_path / "more/deep/a.jpg", pillow("JPEG")(np.asarray(Image.open(root / f"input/{test}.png"))))
    both = Both(command, root, "night", "--unlabeled", tmp_path / "more")
    assert both.ran.status == 2
    assert (
        f"{tmp_path}/more/deep/a.jpg is the test image {root}/input/{test}.png, but for encoding"
        in both.ran.err
    )


@pytest.mark.parametrize("change", ["shift", "thing", "small thing", "brighter"])
def test_what_only_looks_alike_is_no_error(command: Command, tmp_path: Path, change: str) -> None:
    """The next frame of a video, and the same place in other light."""
    root = smooth(tmp_path / "set")
    test = ImagePairs.open(root).test[0]
    image = np.asarray(Image.open(root / f"input/{test}.png")).copy()
    if change == "shift":
        image = np.roll(image, 3, 1)
    elif change == "small thing":
        image[30:36, 40:46] = 255 - image[30:36, 40:46]
    elif change == "thing":
        image[30:40, 40:54] = 255 - image[30:40, 40:54]
    else:
        image = (image * 0.7).astype(np.uint8)
    put(root / "unlabeled/next.png", pillow("PNG")(image))
    Both(command, root, "night").accept()


def test_notes_and_errors_of_a_plan_are_those_of_the_run(command: Command, tmp_path: Path) -> None:
    root = smooth(tmp_path / "set")
    put(root / "unlabeled/a.JXL", b"x")
    arguments = ("--tasks", "night", "--methods", "mt", "--data", f"night={root}", "--out", tmp_path / "out")
    said = command("plan", *arguments, "--labels", "all")
    assert said.status == 0
    assert (
        f"note: night: 1 file in {root}/unlabeled is of a format that is not read (.jxl): a.JXL" in said.out
    )
    assert "no image is unlabelled, so that mt learns from the labelled ones alone" in said.out
    assert "no image is unlabelled" not in command("plan", *arguments, "--labels", "2").out
    put(root / "unlabeled/b.png", (root / f"input/{ImagePairs.open(root).test[0]}.png").read_bytes())
    assert "which no method may train on" in command("plan", *arguments, "--labels", "2").err


def test_targets_of_unlabelled_images_are_not_read(command: Command, tmp_path: Path) -> None:
    root = pairs(tmp_path / "set", unlabeled=0)
    (root / "classes.txt").write_text("a\nb\nc\n")
    made = make_plan(
        load_registry(),
        Request(
            tasks="segmentation", methods="mt", control=False, data=(f"segmentation={root}",), labels=("2",)
        ),
    )
    unread = made.cells[0].split.unlabeled
    for name in unread:
        put(root / f"target/{name}.png", b"poison")
    arguments = ("plan", "--tasks", "segmentation", "--methods", "mt", "--data", f"segmentation={root}")
    assert command(*arguments, "--labels", "2", "--out", tmp_path / "out").status == 0
    assert "is no picture" in command(*arguments, "--labels", "all", "--out", tmp_path / "out").err


def test_run_says_how_many_labels_it_takes(command: Command, tmp_path: Path) -> None:
    both = Both(command, smooth(tmp_path / "set"), "night", "--seeds", "3")
    count = len(ImagePairs.open(both.root).train)
    assert f"labels all ({count} images); seed 3" in both.ran.out


@pytest.mark.parametrize(
    "name", [*sorted(IGNORED), ".DS_Store", "._im0.png", ".thumbnails", "SYNOFILE_THUMB_M.png"]
)
@pytest.mark.parametrize("within", [True, False])
def test_what_systems_leave_is_no_picture(tmp_path: Path, name: str, within: bool) -> None:
    root = pairs(tmp_path / "set")
    before = SegmentationPairs.open(root)
    for folder in ("input", "target", "unlabeled"):
        put(root / folder / (f"{name}/thumb.png" if within else name), pillow("PNG")(scene(40)[0]))
    after = SegmentationPairs.open(root)
    assert (after.train, after.unlabeled, after.test) == (before.train, before.unlabeled, before.test)
    assert after.notes == ()


@pytest.mark.parametrize("ending", ["GIF", "gif", "jxl", "jp2", "npz", "dng", "psd"])
@pytest.mark.parametrize("folder", ["input", "target", "unlabeled", "input/deep"])
def test_files_of_other_formats_are_named_and_counted(tmp_path: Path, ending: str, folder: str) -> None:
    root = pairs(tmp_path / "set")
    for number in range(7):
        put(root / folder / f"x{number}.{ending}", b"x")
    (note,) = SegmentationPairs.open(root).notes
    assert note.startswith(f"7 files in {root / folder.partition('/')[0]} are of a format that is not read")
    assert f"(.{ending.lower()}): x0.{ending}, " in note
    assert "and 2 more" in note


def test_a_target_whose_image_is_not_read_says_so(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    (root / "input/im3.png").rename(root / "input/im3.jxl")
    with pytest.raises(
        DataError, match=r"im3\.png is a target without .*: .*im3\.jxl is of a format that is not read"
    ):
        SegmentationPairs.open(root)


@pytest.mark.parametrize(
    "suffix", ["_mask", "_Mask", "-label", "_GT", ".matte", "_alpha", "_seg", "_labels", "_target"]
)
def test_suffixes(tmp_path: Path, suffix: str) -> None:
    root = pairs(tmp_path / "set")
    before = SegmentationPairs.open(root)
    content = before.fingerprint()
    for path in (root / "target").iterdir():
        path.rename(path.with_name(path.stem + suffix + path.suffix))
    after = SegmentationPairs.open(root)
    assert (after.train, after.unlabeled, after.test) == (before.train, before.unlabeled, before.test)
    assert after.fingerprint() == content


def test_a_suffix_is_no_target_of_two(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    put(root / "input/im8_mask.png", pillow("PNG")(scene(8)[0]))
    put(root / "target/im8_mask.png", pillow("PNG")(scene(8)[1]))
    opened = SegmentationPairs.open(root)
    assert "im8" in opened.unlabeled
    assert "im8_mask" in {*opened.train, *opened.test}


def test_unicode_forms_are_one_name(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    name = "Zürich"
    for part, form, number in (("input", "NFD", 0), ("target", "NFC", 1)):
        put(root / part / f"{normalize(form, name)}.png", pillow("PNG")(scene(30)[number]))
    opened = SegmentationPairs.open(root)
    assert normalize("NFC", name) in {*opened.train, *opened.test}
    put(root / f"input/{normalize('NFC', name)}.png", pillow("PNG")(scene(30)[0]))
    with pytest.raises(DataError, match="are one id"):
        SegmentationPairs.open(root)


@pytest.mark.parametrize("name", [" lead", "trail ", "new\nline", "tab\t", "\u00a0wide", "cr\rhere"])
def test_export_refuses_what_labels_would(command: Command, tmp_path: Path, name: str) -> None:
    root = pairs(tmp_path / "set")
    for part, number in (("input", 0), ("target", 1)):
        for at in range(4):  # One of them is not held out.
            put(
                root / part / f"{'x' * at}{name}{'' if name != name.strip() else at}.png",
                pillow("PNG")(scene(30 + at)[number]),
            )
    out = tmp_path / "all.txt"
    said = command("data", "split", "export", "segmentation", "all", "--data", root, "--out", out)
    assert said.status == 2
    assert "no line of a list can say" in said.err
    assert said.err.count("\n") == 1
    assert not out.exists()


def test_export_takes_names_with_spaces_within(command: Command, tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    for part, number in (("input", 0), ("target", 1)):
        for at in range(4):
            put(root / part / f"a {at} b.png", pillow("PNG")(scene(30 + at)[number]))
    out = tmp_path / "all.txt"
    assert command("data", "split", "export", "segmentation", "all", "--data", root, "--out", out).status == 0
    arguments = ("--tasks", "segmentation", "--methods", "supervised", "--data", f"segmentation={root}")
    assert command("plan", *arguments, "--labels", out, "--out", tmp_path / "out").status == 0


def turned(image: np.ndarray, orientation: int, form: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return pillow(form, exif=exif)(image)


@pytest.mark.parametrize(
    ("orientation", "target", "fine"),
    [
        (6, SIZE, False),  # Drawn on the stored pixels.
        (6, SIZE[::-1], True),  # Drawn upright, as the sizes show.
        (8, SIZE, False),
        (3, SIZE, False),  # Upside down: no size can tell.
        (2, SIZE, False),
        (1, SIZE, True),
    ],
)
def test_exif_is_one_rule(
    command: Command, tmp_path: Path, orientation: int, target: tuple[int, int], fine: bool
) -> None:
    root = pairs(tmp_path / "set")
    put(root / "input/turned.jpg", turned(scene(50)[0], orientation))
    put(root / "target/turned.png", pillow("PNG")(scene(50, target)[1]))
    both = Both(command, root, "segmentation")
    if fine:
        both.accept()
    else:
        both.refuse("EXIF turns image", "turned.jpg", "turned.png")


def test_a_pair_turned_alike_is_turned(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set", pillow("PNG"))
    put(root / "input/turned.png", turned(scene(50)[0], 3, "PNG"))
    put(root / "target/turned.png", turned(scene(50)[1], 3, "PNG"))
    opened = AlphaPairs.open(root)
    opened.check_image("turned", with_target=True)
    assert np.array_equal(opened.target("turned")[..., 0], scene(50)[1][::-1, ::-1])
    assert np.array_equal(opened.image("turned"), scene(50)[0][::-1, ::-1])
