"""What a user's folder can have wrong: the culprit is named, in one line, before any compute."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trees import check

from ssl_bench.data.cache import ArrayCache
from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError
from ssl_bench_tasks.layouts.lol import Lol
from ssl_bench_tasks.layouts.p3m import P3M
from ssl_bench_tasks.layouts.pairs import AlphaPairs, ImagePairs, SegmentationPairs
from ssl_bench_tasks.layouts.sidd import SiddSmall
from ssl_bench_tasks.layouts.voc import Voc

NAMES = ("1", "10", "111")


def save(path: Path, size: tuple[int, int] = (6, 8), value: int = 1, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, value, np.uint8)).convert(mode).save(path)
    return path


@pytest.fixture
def lol(tmp_path: Path) -> Path:
    for part, names in {"our485": NAMES, "eval15": ("2", "22")}.items():
        for name in names:
            for side in ("low", "high"):
                save(tmp_path / f"{part}/{side}/{name}.png")
    return tmp_path


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    for name in (*NAMES, "2"):
        save(tmp_path / f"JPEGImages/{name}.jpg")
        save(tmp_path / f"SegmentationClass/{name}.png", mode="L")
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(NAMES))
    (lists / "val.txt").write_text("2")
    return tmp_path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for name in (*NAMES, "2", "3"):
        save(tmp_path / f"input/{name}.png")
        save(tmp_path / f"target/{name}.png", value=int(name) % 2, mode="L")
    return tmp_path


def fault(layout: type[Dataset], path: Path) -> str:
    """The message of opening a folder and checking all of it."""
    with pytest.raises(DataError) as caught:
        _whole(layout, path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def _whole(layout: type[Dataset], path: Path) -> None:
    data = layout.open(path)
    check(data, [*data.train, *data.test])


def _cut(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_cut, "cut short or damaged"),
        (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
        (lambda path: path.write_text("<html>404</html>"), "is no picture"),
    ],
)
@pytest.mark.parametrize(
    "place", ["our485/low/10.png", "our485/high/10.png", "eval15/low/22.png", "eval15/high/22.png"]
)
def test_broken_file(lol: Path, spoil: Callable[[Path], object], words: str, place: str) -> None:
    _whole(Lol, lol)
    spoil(lol / place)
    message = fault(Lol, lol)
    assert message.startswith(str(lol / place))
    assert words in message


def test_forbidden_file(lol: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    culprit, read = lol / "our485/low/111.png", Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == culprit:
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)  # Modes do not bind root.
    assert fault(Lol, lol).startswith(f"{culprit} cannot be read: permission denied")


def test_bomb(lol: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    save(lol / "our485/low/10.png", (20, 20))
    assert fault(Lol, lol).startswith(
        f"{lol / 'our485/low/10.png'} has more pixels than are decoded (over 200)"
    )


def test_first_fault_in_order_of_ids(lol: Path) -> None:
    for name in ("10", "111"):
        (lol / f"our485/low/{name}.png").write_bytes(b"x")
    (lol / "eval15/low/2.png").write_bytes(b"x")
    assert all("our485/low/10.png" in fault(Lol, lol) for _ in range(5))


def test_only_named_targets_are_read(lol: Path) -> None:
    (lol / "our485/high/10.png").write_bytes(b"x")
    data, count = Lol.open(lol), 0

    def report() -> None:
        nonlocal count
        count += 1

    check(data, ["1", "2"], report)
    assert count == 5 + 2
    with pytest.raises(DataError, match=r"high/10\.png"):
        check(data, ["10"])


def test_unequal_sizes_name_both(lol: Path) -> None:
    image, target = lol / "our485/low/10.png", save(lol / "our485/high/10.png", (8, 6))
    message = fault(Lol, lol)
    assert f"{image} is 8 x 6 px" in message
    assert f"{target} is 6 x 8 px" in message


def test_missing_pairs(lol: Path) -> None:
    (lol / "our485/high/10.png").unlink()
    assert Lol.open(lol).unlabeled == ("10",)  # In training: unlabelled.
    (lol / "our485/low/1.png").unlink()
    assert fault(Lol, lol).startswith(f"{lol / 'our485/high/1.png'} is a target without its image")
    save(lol / "our485/low/1.png")
    (lol / "eval15/high/22.png").unlink()
    message = fault(Lol, lol)
    assert message.startswith(f"test image {lol / 'eval15/low/22.png'} has no target")


def test_missing_and_empty_folders(tmp_path: Path, lol: Path) -> None:
    for layout in (Lol, Voc, P3M, SiddSmall, ImagePairs):
        assert fault(layout, tmp_path / "none").startswith(f"no folder at {tmp_path / 'none'}")
        (tmp_path / "bare").mkdir(exist_ok=True)
        message = fault(layout, tmp_path / "bare")
        assert message.startswith(f"{tmp_path / 'bare'} does not hold {layout.layout}")
    for name in ("2", "22"):
        (lol / f"eval15/low/{name}.png").rename(lol / f"{name}.gone")
        (lol / f"eval15/high/{name}.png").unlink()
    assert fault(Lol, lol).startswith(f"no test images in {lol / 'eval15/low'}")
    assert "is a file" in fault(Lol, lol / "2.gone")


def test_two_files_of_one_id(lol: Path) -> None:
    message = fault(Lol, save(lol / "our485/low/10.JPG").parents[2])
    assert str(lol / "our485/low/10.JPG") in message
    assert str(lol / "our485/low/10.png") in message


def test_masks(voc: Path) -> None:
    _whole(Voc, voc)
    culprit = save(voc / "SegmentationClass/10.png", value=21, mode="L")
    assert fault(Voc, voc).startswith(f"{culprit} holds class 21, but there are 21 classes")
    save(culprit)
    assert fault(Voc, voc).startswith(f"{culprit} is a picture of mode RGB, not a mask")
    save(culprit, value=255, mode="L")
    _whole(Voc, voc)
    (voc / "classes.txt").write_text("road\n")
    assert fault(Voc, voc).startswith(f"{voc / 'classes.txt'} names 1 classes")
    (voc / "classes.txt").write_text("road\nsky\n")
    save(culprit, value=2, mode="L")
    assert fault(Voc, voc).startswith(f"{culprit} holds class 2, but there are 2 classes")


def test_lists(voc: Path) -> None:
    train, val = (voc / f"ImageSets/Segmentation/{name}.txt" for name in ("train", "val"))
    train.write_text("1\n11\n")
    assert "'11'" in fault(Voc, voc)
    train.write_text("1\n2\n")
    message = fault(Voc, voc)
    assert str(train) in message
    assert f"{val} share 1 ids, '2' first" in message
    train.write_text("1\n../../x\n")
    assert "leads outside" in fault(Voc, voc)
    train.unlink()
    assert "no ImageSets/Segmentation/train.txt" in fault(Voc, voc)
    val.unlink()
    assert "has no ImageSets/Segmentation/train.txt or ImageSets/Segmentation/val.txt" in fault(Voc, voc)


def test_pairs(pairs: Path) -> None:
    _whole(SegmentationPairs, pairs)
    (pairs / "input/10.png").unlink()
    for layout in (SegmentationPairs, ImagePairs, AlphaPairs):
        assert fault(layout, pairs).startswith(f"{pairs / 'target/10.png'} is a target without its image")
    for path in (pairs / "target").iterdir():
        path.unlink()
    assert "too few images with a target" in fault(ImagePairs, pairs)


def test_binary_masks_of_0_and_255(pairs: Path) -> None:
    for number, path in enumerate((pairs / "target").iterdir()):
        save(path, value=255 * (number % 2), mode="L")
    assert "hold no class but 0 (255 is void)" in fault(SegmentationPairs, pairs)


def test_matte_of_unequal_channels(pairs: Path) -> None:
    _whole(AlphaPairs, pairs)
    culprit = pairs / "target/111.png"
    Image.fromarray(np.arange(144, dtype=np.uint8).reshape(6, 8, 3)).save(culprit)
    assert fault(AlphaPairs, pairs).startswith(f"{culprit} is no matte: its colour channels differ")


def test_trimap_of_another_size(tmp_path: Path) -> None:
    for folder in ("train", "validation/P3M-500-P"):
        save(tmp_path / folder / "blurred_image/1.jpg")
        save(tmp_path / folder / "mask/1.png", mode="L")
    trimap = save(tmp_path / "validation/P3M-500-P/trimap/1.png", (3, 4))
    assert f"its trimap {trimap} is 4 x 3 px" in fault(P3M, tmp_path)


def test_links(tmp_path: Path, lol: Path) -> None:
    inside, outside = lol / "our485/low/inside.png", save(tmp_path.parent / f"{tmp_path.name}-out/x.png")
    inside.symlink_to("10.png")
    assert Lol.open(lol).unlabeled == ("inside",)
    inside.unlink()
    inside.symlink_to(outside)
    assert fault(Lol, lol).startswith(f"{inside} is a link that leads out of the data folder")
    inside.unlink()
    inside.symlink_to(lol / "nowhere.png")
    assert "leads nowhere" in fault(Lol, lol)
    inside.unlink()
    (lol / "eval15/high").rename(outside.parent / "high")
    (lol / "eval15/high").symlink_to(outside.parent / "high")
    assert fault(Lol, lol).startswith(f"{lol / 'eval15/high'} is a link that leads out")
    linked = outside.parent / "link"  # The folder given may itself be a link.
    (lol / "eval15/high").unlink()
    (outside.parent / "high").rename(lol / "eval15/high")
    linked.symlink_to(lol)
    _whole(Lol, linked)


def test_linked_list_file(voc: Path) -> None:
    train = voc / "ImageSets/Segmentation/train.txt"
    outside = train.rename(voc.parent / f"{voc.name}-train.txt")
    train.symlink_to(outside)
    assert fault(Voc, voc).startswith(f"{train} is a link that leads out")


def test_several_data_sets(tmp_path: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        save(tmp_path / year / "JPEGImages/1.jpg")
    message = fault(Voc, tmp_path)
    assert f"{tmp_path / 'VOC2007'}, {tmp_path / 'VOC2012'}; give one of them" in message


def test_cache_is_bounded() -> None:
    cache = ArrayCache(limit=25)
    for key in range(3):
        cache.put(key, np.zeros(10, np.uint8))
        cache.get(0)
    assert [cache.get(key) is not None for key in range(3)] == [True, False, True]
    cache.put("big", np.zeros(26, np.uint8))
    assert [cache.get(key) is not None for key in (0, 2, "big")] == [True, True, False]
