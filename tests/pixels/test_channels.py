"""Images of any number of channels and depth, from the folder to the exported network."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import tifffile
import torch
from conftest import Said
from inline import InlineExecutor
from PIL import Image
from test_picture_formats import bands, npy, pillow, pnm, tiff
from test_pictures import png

from ssl_bench.data.copies import Print
from ssl_bench.data.pictures import read_indices
from ssl_bench.data.unlabeled import open_data
from ssl_bench.errors import DataError, UsageError
from ssl_bench.pixels.channels import RGB, Channels, Statement, channels_of, read_image
from ssl_bench.pixels.rasters import read_raster
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.plan.weights import check_channels
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import make_task
from ssl_bench.use.export import load_weights
from ssl_bench.use.predict import Job, ending_of, is_done, write_prediction
from ssl_bench.world.part import Draws, Part
from ssl_bench_tasks.layouts.pairs import AlphaPairs, ImagePairs, SegmentationPairs
from ssl_bench_tasks.perturbations import Photometric

Command = Callable[..., Said]
SIZE = (40, 48)
FIVE = bands()


def scene(number: int, channels: int = 5, top: int = 3900) -> tuple[np.ndarray, np.ndarray]:
    """Three kinds of ground, told apart by their bands, in 12 of 16 bits; and their ids."""
    generator = np.random.default_rng(number)
    image = generator.integers(100, 600, (*SIZE, channels)).astype(np.uint16)
    ids = np.zeros(SIZE, np.uint8)
    for label in (1, 2):
        row, column = generator.integers(2, 24, 2)
        ids[row : row + 14, column : column + 16] = label
        image[row : row + 14, column : column + 16] = np.linspace(300 * label, top, channels)[
            :: 3 - 2 * label
        ]
    image[0, 0] = top
    return image.clip(max=top).astype(np.uint16), ids


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def tiles(root: Path, labeled: int = 6, unlabeled: int = 0, *, channels: int = 5, top: int = 3900) -> Path:
    for number in range(labeled + unlabeled):
        image, ids = scene(number, channels, top)
        put(root / "input" / f"{number:02d}.tif", FIVE(image))
        if number < labeled:
            put(root / "target" / f"{number:02d}.png", pillow("PNG")(ids))
    return root


def restored(root: Path, write: Callable[[np.ndarray], bytes], ending: str = "tif", **how: int) -> Path:
    for number in range(4):
        image, _ = scene(number, **how)
        image = image if image.shape[2] > 1 else image[..., 0]
        put(root / "input" / f"{number}.{ending}", write(image))
        put(root / "target" / f"{number}.{ending}", write(image))
    return root


def faults(dataset: object, name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        dataset.image(name)  # type: ignore[attr-defined]


# From end to end.


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_five_bands_from_the_folder_to_the_exported_network(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench_plugins.executors.local.LocalExecutor", InlineExecutor)
    data = tiles(tmp_path / "tiles", 12, 40)
    said = command("data", "check", data, "--task", "segmentation")
    assert said.status == 0, said.out
    assert "channels   5 channels of uint16, 0 is black and 4095 white" in said.out
    assert "are of uint16 and reach 3900: they are read with 4095 as white" in said.out
    common = ("--tasks", "segmentation", "--data", f"segmentation={data}", "--labels", "all", "--no-control")
    steps = ("--set", "segmentation.iterations=2", "--set", "segmentation.crop=32")
    where = ("--devices", "cpu", "--out", tmp_path / "runs")
    said = command("run", *common, *steps, *where, "--methods", "supervised,mt", "--backbones", "unet-small")
    assert said.status == 0, said.err
    assert "they are read with 4095 as white" in said.out + said.err
    # An encoder with weights of three channels learns to take five.
    said = command(
        "run", *common, *steps, *where, "--methods", "supervised", "--backbones", "fpn/tf_efficientnet_lite0"
    )
    assert said.status == 0, said.err
    cells = sorted(path.name for path in (tmp_path / "runs" / "cells").iterdir())
    assert len(cells) == 3
    trained = next(name for name in cells if "-mt-" in name)
    said = command(
        "compare", "--runs", tmp_path / "runs", "--like", trained, "--count", 1, "--out", tmp_path / "figures"
    )
    assert said.status == 0, said.err
    assert [*(tmp_path / "figures").glob("*.png")]
    pictures = sorted((data / "input").iterdir())[-3:]
    said = command("predict", trained, *pictures, "--runs", tmp_path / "runs", "--out", tmp_path / "masks")
    assert said.status == 0, said.err
    assert len([*(tmp_path / "masks").glob("*.png")]) == 3
    for cell, form in ((next(name for name in cells if "lite0" in name), "weights"), (trained, "onnx")):
        said = command(
            "export", cell, "--runs", tmp_path / "runs", "--format", form, "--out", tmp_path / form
        )
        assert said.status == 0, said.err
    shape = onnx.load(tmp_path / "onnx").graph.input[0].type.tensor_type.shape.dim
    assert [one.dim_param or one.dim_value for one in shape] == ["batch", 5, "height", "width"]
    assert load_weights(tmp_path / "weights")(torch.zeros(1, 5, 32, 32)).shape == (1, 3, 32, 32)
    put(tmp_path / "rgb.png", pillow("PNG")(np.zeros((*SIZE, 3), np.uint8)))
    said = command(
        "predict", trained, tmp_path / "rgb.png", "--runs", tmp_path / "runs", "--out", tmp_path / "no"
    )
    assert said.status == 1
    assert "has 3 channels of uint8, and the data set's images are 5 channels of uint16" in said.err


# The range.


def test_the_fewest_bits_that_hold_all_training_images(tmp_path: Path) -> None:
    for top, white in ((180, 255), (1000, 1023), (3900, 4095), (16000, 16383), (65000, 65535)):
        dataset = SegmentationPairs.open(tiles(tmp_path / str(top), top=top))
        name = dataset.train[0]
        assert dataset.channels == Channels(5, "uint16", 0, white)
        assert len(dataset.notes) == (white < 65535)
        image, _ = scene(int(name), top=top)
        found = dataset.image(name)
        assert found.dtype == np.uint16
        assert np.array_equal(np.rint(found * (white / 65535)), image)
        assert np.array_equal(dataset.channels.stored(found), image)


def test_an_image_beyond_the_range_is_an_error_and_a_stated_range_clips(tmp_path: Path) -> None:
    root = tiles(tmp_path)
    bright, _ = scene(9)
    put(root / "test/input/t.tif", FIVE(bright + np.uint16(1000)))
    put(root / "test/target/t.png", pillow("PNG")(scene(9)[1]))
    dataset = SegmentationPairs.open(root)
    faults(dataset, "t", r"t\.tif holds values from \d+ to 4900, outside of 0 to 4095, .*state `range = ")
    before = dataset.fingerprint()
    put(root / "data.toml", b"range = [100, 4000]")
    dataset = SegmentationPairs.open(root)
    assert dataset.notes == ()
    assert dataset.fingerprint() != before
    found = dataset.image("t")
    assert (found.min(), found.max()) == (14, 65535) or found.max() == 65535
    share = (np.clip(bright.astype(float) + 1000, 100, 4000) - 100) / 3900
    assert np.abs(found / 65535 - share).max() < 1e-5


def test_a_file_that_tells_its_range_is_taken_at_its_word(tmp_path: Path) -> None:
    root = restored(tmp_path, pnm(4095), "pgm", channels=1)
    dataset = ImagePairs.open(root)
    assert dataset.channels == Channels(1, "uint16", 0, 4095, told=True)
    assert dataset.notes == ()
    assert np.abs(dataset.image("0")[..., 0] / 65535 - scene(0, 1)[0][..., 0] / 4095).max() < 1e-5
    (other,) = dataset.test
    put(root / f"input/{other}.pgm", pnm(1000)(np.zeros(SIZE, np.uint16)))
    faults(ImagePairs.open(root), other, "has 1 channel of uint16 up to 1000, and the data set's images are")


def test_floats_lie_in_0_to_1_or_in_a_stated_range(tmp_path: Path) -> None:
    write = lambda image: FIVE((image / 100).astype(np.float32))  # noqa: E731
    root = restored(tmp_path, write)
    faults(ImagePairs.open(root), "0", r"holds values from .* to 39, outside of 0 to 1, .*range")
    put(root / "data.toml", b"range = [0, 40.0]")
    found = ImagePairs.open(root).image("0")
    assert found.dtype == np.float32
    assert np.allclose(found, scene(0)[0] / 4000, atol=1e-6)
    put(root / "input/0.tif", FIVE(np.full((*SIZE, 5), np.nan, np.float32)))
    faults(ImagePairs.open(root), "0", "no numbers")


def test_numbers_below_zero_need_a_stated_range(tmp_path: Path) -> None:
    root = restored(tmp_path, lambda image: FIVE(image.astype(np.int16) - 1000))
    faults(ImagePairs.open(root), "0", r"holds values from -\d+ to 2900, outside of 0 to 65535")
    put(root / "data.toml", b"range = [-1000, 3000]")
    dataset = ImagePairs.open(root)
    assert np.abs(dataset.image("0") / 65535 - scene(0)[0] / 4000).max() < 1e-5
    assert np.array_equal(dataset.target("0"), dataset.image("0"))


# What a folder is taken for.


def test_photographs_are_what_they_were(tmp_path: Path) -> None:
    """Grey, colour and cut-outs of 8 bits are RGB; their fingerprint does not depend on what more can be read."""
    colour = scene(0, 3)[0].astype(np.uint8)
    for name, array in {
        "grey": colour[..., 0],
        "rgb": colour,
        "rgba": np.dstack([colour, colour[..., 0]]),
    }.items():
        root = tmp_path / name
        for number in range(3):
            put(root / f"input/{number}.png", pillow("PNG")(array))
            put(root / f"target/{number}.png", pillow("PNG")(colour))
        dataset = ImagePairs.open(root)
        assert dataset.channels == RGB
        expected = np.repeat(array[..., None], 3, 2) if name == "grey" else colour
        assert np.array_equal(dataset.image("0"), expected)
    put(root / "data.toml", b"show = [3, 2, 1]")
    shown = ImagePairs.open(root)
    assert shown.fingerprint() == dataset.fingerprint()
    assert np.array_equal(shown.channels.drawn(colour), colour[..., ::-1])
    # Stated bands are channels of the file, alpha among them.
    put(root / "data.toml", b"bands = [4, 1]")
    assert np.array_equal(ImagePairs.open(root).image("0"), np.dstack([colour[..., 0]] * 2))


def test_images_that_are_not_alike_are_named(tmp_path: Path) -> None:
    root = tiles(tmp_path / "a")
    put(root / "input/05.tif", FIVE(scene(5, 4)[0]))
    faults(SegmentationPairs.open(root), "05", r"05\.tif has 4 channels of uint16, .* 5 channels of uint16")
    put(root / "input/05.tif", FIVE(scene(5)[0].astype(np.uint8)))
    faults(SegmentationPairs.open(root), "05", "has 5 channels of uint8")
    put(root / "data.toml", b"bands = [6]")
    faults(SegmentationPairs.open(root), "00", "has 5 channels of uint16, and channel 6 is asked for")


def test_chosen_bands_in_their_order(tmp_path: Path) -> None:
    root = tiles(tmp_path)
    put(root / "data.toml", b"range = [0, 4095]\nbands = [5, 1]\nshow = [2]")
    dataset = SegmentationPairs.open(root)
    whole, _ = scene(0)
    found = dataset.image("00")
    assert np.array_equal(np.rint(found * (4095 / 65535)), whole[..., [4, 0]])
    drawn = dataset.channels.drawn(found)
    assert drawn.shape == (*SIZE, 3)
    assert np.abs(drawn[..., 1] - whole[..., 0] * (255 / 4095)).max() <= 0.51


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("range = [5]", r"range is \[5\]; give black and white"),
        ("range = [9, 3]", "give black and white"),
        ("range = 'x'", "give black and white"),
        ("bands = [0]", "give numbers of channels from 1"),
        ("bands = [2, 2]", "bands name a channel twice"),
        ("show = [1, 2]", r"show is \[1, 2\]; give"),
        ("colour = 3", "has `colour`; it may have `bands`, `range` and `show`"),
        ("range = [", "cannot be read"),
        ("a = " + "[" * 2000, "cannot be read"),
        (f"range = [0, {'9' * 400}]", "give black and white"),
    ],
)
def test_statements_that_are_none(tmp_path: Path, content: str, words: str) -> None:
    root = tiles(tmp_path)
    put(root / "data.toml", content.encode())
    with pytest.raises(DataError, match=rf"data\.toml.*{words}") as caught:
        SegmentationPairs.open(root)
    assert "\n" not in str(caught.value)


def test_further_unlabelled_images_are_of_the_same_kind(tmp_path: Path) -> None:
    root = tiles(tmp_path / "data")
    put(tmp_path / "more/a.tif", FIVE(scene(7)[0]))
    put(tmp_path / "more/b.tif", FIVE(scene(8)[0] + np.uint16(1000)))
    both = open_data(SegmentationPairs, root, [tmp_path / "more"])
    assert np.array_equal(both.channels.stored(both.image("extra/a")), scene(7)[0])
    faults(both, "extra/b", r"b\.tif holds values .* outside of 0 to 4095")


# Restored pictures.


def test_restored_pictures_have_their_images_range_and_channels(tmp_path: Path) -> None:
    root = restored(tmp_path, FIVE)
    dataset = ImagePairs.open(root)
    assert np.array_equal(dataset.image("0"), dataset.target("0"))
    # Bright targets of dark images are looked at as well.
    put(root / "target/0.tif", FIVE(scene(0)[0] * np.uint16(4)))
    assert ImagePairs.open(root).channels.high == 16383
    put(root / "target/0.tif", FIVE(scene(0, 3)[0]))
    with pytest.raises(DataError, match=r"target.0\.tif has 3 channels of uint16, and .* 5 channels"):
        ImagePairs.open(root).target("0")
    # Of another depth than the images, in a range of its own.
    put(root / "target/0.tif", FIVE(np.full((*SIZE, 5), 51, np.uint8)))
    assert (ImagePairs.open(root).target("0") == 51).all()


def test_twelve_bits_score_as_eight_do(tmp_path: Path) -> None:
    """PSNR of noise over a picture does not depend on the container."""
    task = make_task(load_registry().task("denoising"), (), Channels(1, "uint16", 0, 4095))
    assert (task.in_channels, task.out_channels) == (1, 1)
    picture = scene(0, 1)[0]
    noisy = picture + np.uint16(41)
    root = restored(tmp_path, lambda image: pillow("PNG")(image), "png", channels=1)
    put(root / "input/0.png", pillow("PNG")(noisy[..., 0]))
    dataset = ImagePairs.open(root)
    error = dataset.image("0") / 65535 - dataset.target("0") / 65535
    assert 10 * np.log10(1 / np.mean(error**2)) == pytest.approx(20 * np.log10(4095 / 41), abs=0.01)


def test_predictions_of_restored_pictures_are_files_like_the_images(tmp_path: Path) -> None:
    channels = Channels(5, "uint16", 0, 4095)
    task = make_task(load_registry().task("denoising"), (), channels)
    image, _ = scene(0)
    source = put(tmp_path / "a.tif", FIVE(image))
    given = torch.from_numpy(read_image(source.read_bytes(), source, channels) / 65535).permute(2, 0, 1)[None]
    trained = SimpleNamespace(
        task=task,
        cell=SimpleNamespace(id="cell", channels=channels),
        weights_sha256="0123",
        predict=lambda _: task.stored(given),
    )
    job = Job(source, tmp_path / f"out{ending_of(task)}")
    write_prediction(trained, job)  # type: ignore[arg-type]
    assert np.array_equal(np.moveaxis(tifffile.imread(job.output), 0, 2), image)
    assert is_done(job, trained)  # type: ignore[arg-type]
    trained.weights_sha256 = "4567"
    assert not is_done(job, trained)  # type: ignore[arg-type]
    trained.cell.id = "another"
    with pytest.raises(UsageError, match="is no prediction of this cell"):
        is_done(job, trained)  # type: ignore[arg-type]
    assert np.array_equal(task.picture(read_image(source.read_bytes(), source, channels)).shape, (*SIZE, 3))


# Tasks, perturbations, pictures.


@pytest.mark.parametrize("name", ["segmentation", "denoising", "matting", "night"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_perturbations_of_any_number_of_channels(name: str, count: int) -> None:
    spec = load_registry().task(name)
    task = make_task(
        spec, ("a", "b") if spec.kind == "classification" else (), Channels(count, "uint16", 0, 65535)
    )
    images = torch.rand(3, count, 20, 24, generator=torch.Generator().manual_seed(0))
    for strength in ("weak", "strong"):
        whole = task.perturb(images, Draws(torch.Generator().manual_seed(1)), strength)  # type: ignore[arg-type]
        assert whole.shape == images.shape
        assert not torch.equal(whole, images)
        assert 0 <= whole.min() <= whole.max() <= 1
        rows = [
            task.perturb(
                images[row : row + 1], Draws(torch.Generator().manual_seed(1), Part(row, 3)), strength
            )  # type: ignore[arg-type]
            for row in range(3)
        ]
        assert torch.allclose(torch.cat(rows), whole, atol=1e-6)


def test_each_band_has_a_gain_of_its_own() -> None:
    flat = torch.full((4, 5, 8, 8), 0.5)
    found = Photometric(jitter=0.4, hue=0.4, noise=(0.0, 0.0))(flat, Draws(torch.Generator().manual_seed(0)))
    assert torch.allclose(found, found.mean((2, 3), keepdim=True).expand_as(found), atol=1e-6)
    gains = found[:, :, 0, 0] / 0.5
    assert len({round(float(gain), 5) for gain in gains.flatten()}) == 20
    assert gains.min() >= 0.6**2 - 1e-6
    assert gains.max() <= 1.4**2 + 1e-6


def test_a_task_that_adds_and_cannot_is_refused_before_any_compute(tmp_path: Path) -> None:
    registry = load_registry()
    data = [f"denoising={restored(tmp_path, FIVE)}"]
    plan = make_plan(registry, Request(tasks="denoising", methods="supervised", data=data, labels=["all"]))
    (order,) = plan.orders
    assert order.cell.channels == Channels(5, "uint16", 0, 4095)
    assert Order.from_json(json.loads(json.dumps(order.to_json()))) == order
    assert Order.from_json({**order.to_json(), "channels": {}}).cell.id == order.cell.id
    check_channels(registry, plan.cells)
    task = type(make_task(registry.task("denoising"), ()))
    fixed = type("Fixed", (task,), {"channels": 3})
    entries = {**registry.entries, "tasks": {"denoising": replace(registry.task("denoising"), task=fixed)}}
    with pytest.raises(UsageError, match="of 3 channels, to the image, and its images have 5"):
        check_channels(replace(registry, entries=entries), plan.cells)


def test_copies_are_found_at_any_depth() -> None:
    image, _ = scene(0)
    deep = (image.astype(np.uint32) * 16).astype(np.uint16)
    assert np.array_equal(
        Print.of(deep).small, Print.of((deep[..., :3] / 257).round().astype(np.uint8)).small
    )


# Formats.


def test_what_goes_with_a_geotiff_is_passed_over(tmp_path: Path) -> None:
    image, _ = scene(0)
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        places = [(33550, "d", 3, (10.0, 10.0, 0.0)), (34735, "H", 4, (1, 1, 0, 0))]
        how = {"planarconfig": "contig", "photometric": "minisblack", "metadata": None}
        writer.write(image, tile=(16, 16), extratags=places, compression="zlib", predictor=True, **how)
        # An overview, which others take for a second page.
        writer.write(image[::2, ::2], subfiletype=1, **how)
    found = read_raster(file.getvalue(), Path("x.tif"))
    assert np.array_equal(found.values, image)


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_of_channels_is_pillows(turn: int) -> None:
    colour = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    exif = Image.Exif()
    exif[0x0112] = turn
    file = io.BytesIO()
    Image.fromarray(colour).save(file, "TIFF", exif=exif)
    expected = read_raster(file.getvalue(), Path("x.tif")).values
    deep = bands(photometric="rgb", extratags=[(274, "H", 1, turn)])(colour.astype(np.uint16))
    assert np.array_equal(read_raster(deep, Path("x.tif")).values, expected)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: FIVE(scene(0)[0])[:200], "is cut short or damaged"),
        (lambda: b"II*\0" + bytes(40), "(no picture|cut short or damaged)"),
        (lambda: tiff(16, 32803)(scene(0, 1)[0]), "is a TIFF of 1 channel of uint16, CFA, which is not read"),
        (lambda: npy(np.zeros((2, 3), complex)), "no numbers"),
        (lambda: npy(np.zeros((2, 3), np.uint16))[:-1], "too few bytes"),
        (lambda: npy(np.zeros(3, np.uint16)), "no image"),
        (lambda: png(np.zeros((2, 3, 2), np.uint16), 4, 16), "not read exactly"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_in_one_line(data: Callable[[], bytes], words: str) -> None:
    with pytest.raises(DataError, match=rf"x\.any .*{words}") as caught:
        read_raster(data(), Path("x.any"))
    assert "\n" not in str(caught.value)


def test_arrays_that_could_run_code_are_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.array([{}], object), allow_pickle=True)
    path = put(tmp_path / "input/a.npy", file.getvalue())
    put(tmp_path / "target/a.npy", npy(np.zeros((4, 5), np.uint8)))
    with pytest.raises(DataError, match=rf"{path} is cut short, damaged or no array of numbers"):
        SegmentationPairs.open(tmp_path)


# Stacks.


def stack(root: Path, write: Callable[[np.ndarray], bytes] = npy, ending: str = "npy") -> Path:
    for patient in "abc":
        scenes = [scene(ord(patient) * 10 + number, 1) for number in range(4)]
        put(root / f"input/{patient}.{ending}", write(np.stack([image[..., 0] for image, _ in scenes])))
        if patient != "c":
            put(root / f"target/{patient}.{ending}", write(np.stack([ids for _, ids in scenes])))
    return root


def test_stacks_are_slices_and_stay_together(tmp_path: Path) -> None:
    dataset = SegmentationPairs.open(stack(tmp_path))
    assert {name.partition("/")[0] for name in dataset.train} != {
        name.partition("/")[0] for name in dataset.test
    }
    assert len(dataset.train) == len(dataset.test) == len(dataset.unlabeled) == 4
    assert dataset.unlabeled == tuple(f"c/{number:03d}" for number in range(4))
    assert dataset.channels == Channels(1, "uint16", 0, 4095)
    assert dataset.classes == ("class 0", "class 1", "class 2")
    for name in (*dataset.train, *dataset.test):
        image, ids = scene(ord(name[0]) * 10 + int(name[2:]), 1)
        assert np.array_equal(dataset.channels.stored(dataset.image(name)), image)
        assert np.array_equal(dataset.target(name), ids)
        assert dataset.check_image(name, with_target=True) == 2


def test_stacks_that_do_not_fit_are_named(tmp_path: Path) -> None:
    root = stack(tmp_path)
    put(root / "target/a.npy", npy(np.zeros((3, *SIZE), np.uint8)))
    with pytest.raises(DataError, match=r"a\.npy is a stack of 4 slices, and .*a\.npy is none of as many"):
        SegmentationPairs.open(root)
    put(root / "input/a.npy", npy(np.zeros((40, 48, 5), np.uint16)))
    with pytest.raises(
        DataError, match=r"slices that are 5 px wide; save one image of channels as \(1, H, W, C\)"
    ):
        SegmentationPairs.open(root)


def test_one_image_of_channels_as_an_array(tmp_path: Path) -> None:
    for number in range(3):
        image, ids = scene(number)
        put(tmp_path / f"input/{number}.npy", npy(image[None]))
        put(tmp_path / f"target/{number}.npy", npy(ids[None]))
    dataset = SegmentationPairs.open(tmp_path)
    assert np.array_equal(dataset.channels.stored(dataset.image("0/000")), scene(0)[0])


def test_volumes_of_nifti(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")

    def write(array: np.ndarray) -> bytes:
        path = tmp_path / "volume.nii.gz"
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(array.T), np.eye(4)), path)
        return path.read_bytes()

    dataset = SegmentationPairs.open(stack(tmp_path / "data", write, "nii.gz"))
    for name in (*dataset.train, *dataset.test):
        image, ids = scene(ord(name[0]) * 10 + int(name[2:]), 1)
        assert np.array_equal(dataset.channels.stored(dataset.image(name)), image)
        assert np.array_equal(dataset.target(name), ids)


def test_mattes_of_twelve_bits_in_sixteen_are_noted(command: Command, tmp_path: Path) -> None:
    root = restored(tmp_path, lambda image: pillow("PNG")(image), "png", channels=1)
    assert AlphaPairs.open(root).target("0").dtype == np.uint16
    said = command("data", "check", root, "--task", "matting")
    assert "targets of uint16 reach 3900 only, where 65535 is white" in said.out


def test_photographs_of_phones(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    colour = np.full((32, 48, 3), 90, np.uint8)
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(colour)).save(file)
    found = read_raster(file.getvalue(), Path("x.heic"))
    assert channels_of(found, Statement()) == RGB
    assert np.abs(found.values.astype(int) - 90).max() <= 3
    with pytest.raises(DataError, match=r"is a mask as HEIF"):
        read_indices(file.getvalue(), Path("x.heic"))


def test_large_pictures_are_not_prepared_at_a_loss(command: Command, tmp_path: Path) -> None:
    said = command(
        "data",
        "prepare",
        tiles(tmp_path / "a"),
        "--task",
        "segmentation",
        "--crop",
        32,
        "--out",
        tmp_path / "b",
    )
    assert said.status != 0
    assert "has images of 5 channels of uint16" in said.err
