"""The layouts of public data sets on tiny trees: which images, which pairs, which part; and how they are told apart."""

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from trees import SIZE, check, mask, save, write

from ssl_bench.data.folders import FolderDataset, recognise
from ssl_bench.data.samples import any_name
from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import resolve
from ssl_bench_tasks.layouts import mat
from ssl_bench_tasks.layouts.aim import Aim
from ssl_bench_tasks.layouts.aisegment import AiSegment
from ssl_bench_tasks.layouts.camvid import CamVid
from ssl_bench_tasks.layouts.cityscapes import Cityscapes
from ssl_bench_tasks.layouts.distinctions import Distinctions
from ssl_bench_tasks.layouts.fivek import FiveK
from ssl_bench_tasks.layouts.lol import Lol, LolV2Real, LolV2Synthetic
from ssl_bench_tasks.layouts.pairs import AlphaPairs, ImagePairs, SegmentationPairs
from ssl_bench_tasks.layouts.ppm import Ppm
from ssl_bench_tasks.layouts.sice import Sice
from ssl_bench_tasks.layouts.sidd import SiddBlocks, SiddCrops, SiddMedium, SiddSmall
from ssl_bench_tasks.layouts.voc import Sbd, Voc, read_cls

REGISTRY = load_registry()


def found(path: Path, task: str) -> str:
    """The name of the layout that the task's data sets find in a folder."""
    specs = [spec for spec in REGISTRY.datasets_of(task) if spec.needs_path]
    return recognise(path, [(spec.name, resolve(spec.dataset)) for spec in specs])


def value(array: np.ndarray) -> int:
    assert array.min() == array.max()
    return int(array.flat[0])


def pairs(
    root: Path, images: str, targets: str, numbers: range | tuple[int, ...], *, ending: str = "png"
) -> None:
    """Images of a grey value and targets of 100 above; `{}` in the names is the number."""
    for number in numbers:
        save(root / f"{images.format(number)}.{ending}", number)
        save(root / f"{targets.format(number)}.png", number + 100)


def checked(data: Dataset) -> Dataset:
    """Read throughout; every target is 100 above its image, wherever values are those of `pairs`."""
    check(data, [*data.train, *data.test])
    for name in (*data.train, *data.test):
        assert value(data.target(name)) == value(data.image(name)) + 100, name
    assert not {*data.train, *data.unlabeled} & {*data.test}
    return data


def cls_file(path: Path, ids: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"GTcls": {"Segmentation": ids, "CategoriesPresent": np.unique(ids)}})


def make_sbd(root: Path, names: dict[str, int]) -> Path:
    folder = root / "benchmark_RELEASE" / "dataset"
    for name, number in names.items():
        save(folder / f"img/{name}.jpg", 50)
        cls_file(folder / f"cls/{name}.mat", np.full(SIZE, number, np.uint8))
    return folder


def test_sbd_alone(tmp_path: Path) -> None:
    folder = make_sbd(tmp_path, {"1": 3, "10": 4, "2": 5})
    write(folder / "train.txt", ["10", "1"])
    write(folder / "val.txt", ["2"])
    assert found(tmp_path, "segmentation") == "sbd"
    data = Sbd.open(tmp_path)
    assert (data.train, data.test, len(data.classes)) == (("10", "1"), ("2",), 21)
    assert [value(data.target(name)) for name in ("1", "10", "2")] == [3, 4, 5]
    check(data, [*data.train, *data.test])
    culprit = folder / "cls/10.mat"
    for spoil, words in [
        (lambda: culprit.write_bytes(culprit.read_bytes()[:150]), "cannot be read as a MATLAB file"),
        (lambda: savemat(culprit, {"other": 1}), "holds no GTcls.Segmentation of numbers"),
        (lambda: cls_file(culprit, np.full(SIZE, 21, np.uint8)), "holds class 21"),
        (lambda: cls_file(culprit, np.zeros(SIZE)), "no GTcls.Segmentation of"),
        (lambda: cls_file(culprit, np.zeros((3, 3), np.uint8)), "sizes differ"),
    ]:
        spoil()
        with pytest.raises(DataError, match=words) as caught:
            check(Sbd.open(tmp_path), ["1", "10", "2"])
        assert str(culprit) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_damaged_matlab_file_crashes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "1.mat"
    cls_file(path, np.arange(8, dtype=np.uint8).reshape(2, 4))
    content = path.read_bytes()
    assert read_cls(content, path).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    generator = np.random.default_rng(0)
    for place in generator.integers(128, len(content), 40):
        wrong = content[:place] + bytes([int(generator.integers(256))]) + content[place + 1 :]
        with contextlib.suppress(DataError):
            assert read_cls(wrong, path).ndim == 2
    # Whatever a file does to its reader, the next one is read.
    mat._readers[os.getpid()].kill()
    mat._readers[os.getpid()].wait()
    assert read_cls(content, path).shape == (2, 4)
    monkeypatch.setattr(
        mat, "_start", lambda: subprocess.Popen("true", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    )
    mat.give_up()
    with pytest.raises(DataError, match=r"1\.mat cannot be read as a MATLAB file \(its reader crashed\)"):
        read_cls(content, path)


def test_voc_with_sbd_beside(tmp_path: Path) -> None:
    kit = tmp_path / "VOCdevkit/VOC2012"
    for name in ("1", "2", "3", "4"):
        save(kit / f"JPEGImages/{name}.jpg", int(name))
    for name in ("1", "3"):
        mask(kit / f"SegmentationClass/{name}.png", 20, palette=True)
    write(kit / "ImageSets/Segmentation/train.txt", ["1"])
    write(kit / "ImageSets/Segmentation/val.txt", ["3"])
    make_sbd(tmp_path, {"1": 5, "2": 6, "3": 7, "5": 8})
    assert found(tmp_path, "segmentation") == "voc"
    data = Voc.open(tmp_path)
    # SBD adds its images but those of the validation set, and its masks but where there is a fine one.
    assert (data.train, data.unlabeled, data.test) == (("1", "2", "5"), (), ("3",))
    assert [value(data.target(name)) for name in ("1", "2", "3", "5")] == [20, 6, 20, 8]
    assert value(data.image("2")) == 2
    check(data, [*data.train, *data.test])
    write(kit / "ImageSets/Segmentation/train_aug.txt", ["4", "2", "1"])
    data = Voc.open(tmp_path)
    assert (data.train, data.unlabeled) == (("2", "1"), ("4",))


def test_camvid_of_ids(tmp_path: Path) -> None:
    for part, names in {"train": ("a", "b"), "val": ("c",), "test": ("d",)}.items():
        for name in names:
            save(tmp_path / f"SegNet/CamVid/{part}/{name}.png", 1)
            mask(tmp_path / f"SegNet/CamVid/{part}annot/{name}.png", 0, 10, 11)
    assert found(tmp_path, "segmentation") == "camvid"
    data = CamVid.open(tmp_path)
    assert (data.train, data.test) == (("a", "b"), ("d",))
    assert (len(data.classes), data.classes[0]) == (11, "sky")
    assert set(data.target("a").ravel()) == {0, 10, 255}
    write(tmp_path / "classes.txt", [f"class {i}" for i in range(12)])
    assert set(CamVid.open(tmp_path).target("a").ravel()) == {0, 10, 11}
    for folder in ("test", "testannot"):
        (tmp_path / f"SegNet/CamVid/{folder}").rename(tmp_path / folder)
    assert CamVid.open(tmp_path / "SegNet").test == ("c",)


def test_camvid_of_colours(tmp_path: Path) -> None:
    colors = np.array([(64, 128, 64), (0, 0, 0), (192, 0, 128)], np.uint8)
    write(
        tmp_path / "class_dict.csv",
        ["name,r,g,b", "Animal, 64, 128, 64", "Void, 0, 0, 0", "Archway, 192, 0, 128"],
        "\r\n",
    )
    for part in ("train", "val"):
        save(tmp_path / f"{part}/{part}1.png", 1)
        save(tmp_path / f"{part}_labels/{part}1_L.png", np.tile(colors, (6, 3, 1))[:, :8])
    data = CamVid.open(tmp_path)
    assert data.classes == ("Animal", "Archway")
    assert data.target("train1")[0, :3].tolist() == [0, 255, 1]
    check(data, [*data.train, *data.test])
    wrong = save(tmp_path / "train_labels/train1_L.png", np.full((*SIZE, 3), 7, np.uint8))
    with pytest.raises(DataError, match=r"pixels of colour \(7, 7, 7\), which stands for no class") as caught:
        check(CamVid.open(tmp_path), ["train1"])
    assert str(wrong) in str(caught.value)
    write(tmp_path / "class_dict.csv", ["name,r,g,b", "Animal,64,128,300"])
    with pytest.raises(DataError, match=r"class_dict\.csv must have columns name,r,g,b"):
        CamVid.open(tmp_path)


def test_cityscapes(tmp_path: Path) -> None:
    for part, city in (("train", "aachen"), ("train", "bochum"), ("val", "munster"), ("test", "bonn")):
        save(tmp_path / f"leftImg8bit/{part}/{city}/{city}_000000_000019_leftImg8bit.png", 1)
        for kind in ("labelTrainIds", "labelIds", "color", "instanceIds"):
            mask(tmp_path / f"gtFine/{part}/{city}/{city}_000000_000019_gtFine_{kind}.png", 18, 255)
    save(tmp_path / "leftImg8bit/train_extra/ulm/ulm_000001_000001_leftImg8bit.png", 1)
    assert found(tmp_path, "segmentation") == "cityscapes"
    data = Cityscapes.open(tmp_path)
    assert data.train == ("aachen/aachen_000000_000019", "bochum/bochum_000000_000019")
    assert (data.unlabeled, data.test) == (("ulm/ulm_000001_000001",), ("munster/munster_000000_000019",))
    assert len(data.classes) == 19
    check(data, [*data.train, *data.test])
    for path in tmp_path.rglob("*labelTrainIds*"):
        path.unlink()
    with pytest.raises(DataError, match=r"no training image in .* has a target"):
        Cityscapes.open(tmp_path)


def make_medium(root: Path, scenes: int = 10) -> Path:
    """Two instances of each scene, two frames of each."""
    top = root / "SIDD_Medium_Srgb" / "Data"
    for number in range(2 * scenes):
        name = f"{number + 1:04d}_{number // 2 + 1:03d}_S6_00100_00060_3200_L"
        for frame in ("010", "011"):
            save(top / name / f"{name[:4]}_NOISY_SRGB_{frame}.PNG", number)
            save(top / name / f"{name[:4]}_GT_SRGB_{frame}.PNG", number + 100)
    return root


def scenes_of(names: tuple[str, ...]) -> set[str]:
    return {name.split("_")[1] for name in names}


def test_sidd_medium(tmp_path: Path) -> None:
    make_medium(tmp_path)
    assert found(tmp_path, "denoising") == "sidd_medium"
    data = checked(SiddMedium.open(tmp_path))
    assert (len(data.train), len(data.test)) == (32, 8)
    assert not scenes_of(data.train) & scenes_of(data.test)
    assert "0001_001_S6_00100_00060_3200_L/011" in {*data.train, *data.test}
    folder = tmp_path / "SIDD_Medium_Srgb/Data"
    assert SiddMedium.open(folder).test == data.test
    write(folder.parent / "train.txt", [data.train[0]])
    write(folder.parent / "val.txt", [name for name in data.train[1:] if name[:4] == data.train[0][:4]])
    for path in (tmp_path, folder):
        with pytest.raises(DataError, match=r"train\.txt and .*val\.txt share 1 scenes, '\d+' first"):
            SiddMedium.open(path)


def make_blocks(folder: Path, images: int = 5, *, shape: tuple[int, ...] = (2, 4, 6, 3)) -> np.ndarray:
    clean = np.arange(images, dtype=np.uint8)[:, None, None, None, None] * 10 + np.zeros(shape, np.uint8)
    clean += np.arange(shape[0], dtype=np.uint8)[None, :, None, None, None]
    clean[..., 1, 2, 0] += 3
    folder.mkdir(parents=True, exist_ok=True)
    for stem, values in (("Noisy", clean), ("Gt", clean + 100)):
        savemat(folder / f"Validation{stem}BlocksSrgb.mat", {f"Validation{stem}BlocksSrgb": values})
    return clean


def test_sidd_blocks(tmp_path: Path) -> None:
    clean = make_blocks(tmp_path / "blocks", 10)
    assert found(tmp_path, "denoising") == "sidd_blocks"
    data = SiddBlocks.open(tmp_path)
    check(data, [*data.train, *data.test])
    assert (len(data.train), len(data.test)) == (16, 4)
    assert not {name[:2] for name in data.train} & {name[:2] for name in data.test}
    for name in (*data.train, *data.test):
        image, block = map(int, name.split("/"))
        assert np.array_equal(data.image(name), clean[image, block])
        assert np.array_equal(data.target(name), clean[image, block] + 100)
    before = data.fingerprint()
    make_blocks(tmp_path / "blocks", 9)
    assert SiddBlocks.open(tmp_path).fingerprint() != before


@pytest.mark.parametrize("edition", ["small", "medium", "crops"])
def test_sidd_blocks_are_the_test_set_of_what_they_lie_beside(tmp_path: Path, edition: str) -> None:
    layouts: dict[str, type[FolderDataset]] = {"small": SiddSmall, "medium": SiddMedium, "crops": SiddCrops}
    if edition == "crops":
        pairs(
            tmp_path, "input_crops/{0:04d}_NOISY_SRGB_010_s1", "target_crops/{0:04d}_GT_SRGB_010_s1", range(4)
        )
    else:
        make_medium(tmp_path, 2)
    if edition == "small":
        for path in list(tmp_path.rglob("*.PNG")):
            path.rename(path.with_name(path.name[5:])) if "010" in path.name else path.unlink()
    make_blocks(tmp_path)
    assert found(tmp_path, "denoising") == f"sidd_{edition}"
    data = layouts[edition].open(tmp_path)
    assert (len(data.train), len(data.test)) == (8 if edition == "medium" else 4, 10)
    check(data, [*data.train, *data.test])
    assert data.image("04/01").shape == (4, 6, 3)


def test_sidd_blocks_that_do_not_fit(tmp_path: Path) -> None:
    make_blocks(tmp_path)
    noisy = tmp_path / "ValidationNoisyBlocksSrgb.mat"
    savemat(noisy, {noisy.stem: np.zeros((1, 2, 4, 6, 3), np.uint8)})
    with pytest.raises(DataError, match=r"ValidationNoisy.* of shape \(1, .* and .*ValidationGt.* of \(5, "):
        SiddBlocks.open(tmp_path)
    noisy.write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(DataError, match=r"ValidationNoisyBlocksSrgb\.mat cannot be read as a MATLAB file"):
        SiddBlocks.open(tmp_path)


@pytest.mark.parametrize(
    ("images", "targets"),
    [("input_crops/{}", "target_crops/{}"), ("input/{}", "gt/{}"), ("input/{}_noisy", "gt/{}_gt")],
)
@pytest.mark.parametrize("folders", [("train/SIDD/", "val/SIDD/"), ("train/", "val/"), ("Train/", "Test/")])
def test_sidd_crops(tmp_path: Path, images: str, targets: str, folders: tuple[str, str]) -> None:
    for folder, numbers in zip(folders, (range(5), range(5, 8)), strict=True):
        pairs(tmp_path / folder, images, targets, numbers)
    assert found(tmp_path, "denoising") == "sidd_crops"
    data = checked(SiddCrops.open(tmp_path))
    assert (len(data.train), len(data.test)) == (5, 3)


def test_sidd_crops_are_held_out_by_frame(tmp_path: Path) -> None:
    for number in range(10):
        name = f"{number:04d}_NOISY_SRGB_010-{{}}"  # Equal names on both sides, as some scripts leave them.
        pairs(tmp_path, f"input_crops/{name}", f"target_crops/{name}", (number, number + 20))
    data = checked(SiddCrops.open(tmp_path))
    assert (len(data.train), len(data.test)) == (16, 4)
    assert not {name[:4] for name in data.train} & {name[:4] for name in data.test}


def test_ppm(tmp_path: Path) -> None:
    pairs(tmp_path / "PPM-100", "image/{}", "matte/{}", range(10), ending="jpg")
    assert found(tmp_path, "matting") == "ppm"
    data = checked(Ppm.open(tmp_path))
    assert (len(data.train), len(data.test)) == (8, 2)


def test_ppm_in_two_parts(tmp_path: Path) -> None:
    pairs(tmp_path / "train", "fg/{}", "alpha/{}", (1, 10, 111))
    pairs(tmp_path / "val", "fg/{}", "alpha/{}", (2,))
    assert found(tmp_path, "matting") == "ppm"
    data = checked(Ppm.open(tmp_path))
    assert (data.train, data.test) == (("1", "10", "111"), ("2",))


def test_aim(tmp_path: Path) -> None:
    top = tmp_path / "AIM-500"
    for number in range(10):
        save(top / f"original/o_{number}.jpg", 1)
        save(top / f"usr/o_{number}.png", 1)
        save(top / f"trimap/o_{number}.png", np.resize(np.array([0, 128], np.uint8), SIZE))
        grey = np.resize(np.array([0, 40 + number], np.uint8), (*SIZE, 1))
        bands = [grey] * 3 + [np.full_like(grey, 255)] * (number == 3)
        save(top / f"mask/o_{number}.png", np.concatenate(bands, 2))
    assert found(tmp_path, "matting") == "aim"
    data = Aim.open(tmp_path)
    assert (len(data.train), len(data.test)) == (8, 2)
    check(data, [*data.train, *data.test])
    assert all(data.target(f"o_{number}").max() == 40 + number for number in range(10))
    region = data.unknown(data.test[0])
    assert region is not None
    assert region.mean() == 0.5


def make_distinctions(root: Path) -> Path:
    for part, count in (("Train", 6), ("Test", 3)):
        for number in range(count):
            save(root / f"D646/{part}/FG/{part}{number}.jpg", 200)
            save(
                root / f"D646/{part}/GT/{part}{number}.png", np.resize(np.array([0, 51, 255], np.uint8), SIZE)
            )
    for number in range(10):
        save(root / f"backgrounds/{number}.png", np.full((9, 31, 3), 10 * number, np.uint8))
    return root


def test_distinctions(tmp_path: Path) -> None:
    data = Distinctions.open(make_distinctions(tmp_path))
    assert found(tmp_path, "matting") == "distinctions"
    assert (len(data.train), len(data.test)) == (6, 3)
    check(data, [*data.train, *data.test])
    behind = {}
    for name in (*data.train, *data.test):
        image = data.image(name)
        behind[name] = int(image[0, 0, 0])
        assert behind[name] % 10 == 0
        assert image[0, 1, 0] == round(0.2 * 200 + 0.8 * behind[name])
        assert image[0, 2, 0] == 200
    backgrounds = [{behind[name] for name in names} for names in (data.train, data.test)]
    assert not backgrounds[0] & backgrounds[1]
    again = Distinctions.open(tmp_path / "D646")
    assert all(np.array_equal(again.image(name), data.image(name)) for name in data.train)
    assert again.fingerprint() == data.fingerprint()

    class Other(Distinctions):
        seed = 1

    other = Other.open(tmp_path)
    assert any(not np.array_equal(other.image(name), data.image(name)) for name in data.train)
    assert other.fingerprint() != data.fingerprint()


def test_distinctions_that_cannot_be_composed(tmp_path: Path) -> None:
    make_distinctions(tmp_path)
    save(tmp_path / "D646/Train/GT/Train1.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(
        DataError, match=r"FG/Train1\.jpg is 8 x 6 px, its target .*GT/Train1\.png is 3 x 3 px"
    ):
        check(Distinctions.open(tmp_path), [])
    (tmp_path / "backgrounds").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"has no backgrounds; put pictures into .*D646/BG"):
        Distinctions.open(tmp_path)


def test_aisegment(tmp_path: Path) -> None:
    for folder in range(10):
        for number in range(2):
            name = f"1803151818-{folder:04d}{number:04d}"
            place = f"1803151818/{{}}_{folder:08d}/{name}"
            save(tmp_path / f"clip_img/{place.format('clip')}.jpg", 1)
            cut = np.full((*SIZE, 4), (9, 99, 5, 30 + number), np.uint8)
            cut[..., 3] = 255 if folder == 3 else cut[..., 3]  # A person who fills the picture.
            save(tmp_path / f"matting/{place.format('matting')}.png", cut)
    assert found(tmp_path, "matting") == "aisegment"
    data = AiSegment.open(tmp_path)
    assert (len(data.train), len(data.test)) == (16, 4)
    check(data, [*data.train, *data.test])
    for name in (*data.train, *data.test):
        assert value(data.target(name)) == (255 if "/00000003/" in name else 30 + int(name[-4:]))
    assert not {name.split("/")[1] for name in data.train} & {name.split("/")[1] for name in data.test}
    culprit = next(tmp_path.glob("matting/*/*_00000000/*"))
    save(culprit, 1)
    with pytest.raises(DataError, match="has no alpha channel"):
        check(AiSegment.open(tmp_path), [*data.train, *data.test])


@pytest.mark.parametrize(
    ("train", "test", "names"),
    [
        ("train/{}/", "test/{}/", ("low", "high")),
        ("train/{}/", "val/{}/", ("low", "high")),
        ("TRAIN/{}/", "Test/{}/", ("Low", "High")),
        ("Train/{}/", "Test/{}/", ("input", "target")),
    ],
)
def test_prepared_lol(tmp_path: Path, train: str, test: str, names: tuple[str, str]) -> None:
    for folder, numbers in ((train, (1, 10, 111)), (test, (22, 23))):
        pairs(tmp_path / "LOLv1", *(f"{folder.format(name)}{{}}" for name in names), numbers)
    assert found(tmp_path, "night") == "lol"
    data = checked(Lol.open(tmp_path))
    assert (data.train, data.test) == (("1", "10", "111"), ("22", "23"))


def test_lol_v2(tmp_path: Path) -> None:
    for part, numbers in (("Train", (1, 10)), ("Test", (22,))):
        real, made = (tmp_path / f"LOL-v2/{name}/{part}" for name in ("Real_captured", "Synthetic"))
        pairs(real, "Low/low{:05d}", "Normal/normal{:05d}", numbers)
        pairs(made, "Low/r{}t", "Normal/r{}t", numbers)
    with pytest.raises(DataError, match="as 'lol_v2_real' and 'lol_v2_synthetic'; say which"):
        found(tmp_path, "night")
    for layout, folder, name, ids in (
        (LolV2Real, "Real_captured", "lol_v2_real", ("low00001", "low00010")),
        (LolV2Synthetic, "Synthetic", "lol_v2_synthetic", ("r10t", "r1t")),
    ):
        assert found(tmp_path / "LOL-v2" / folder, "night") == name
        assert checked(layout.open(tmp_path)).train == ids


def test_fivek(tmp_path: Path) -> None:
    pairs(tmp_path / "FiveK/train", "input/a{:04d}-jmac_DSC", "target/a{:04d}-jmac_DSC", (1, 10))
    pairs(tmp_path / "FiveK/test", "input/a{:04d}_x", "target/a{:04d}_x", (2,))
    assert found(tmp_path, "night") == "fivek"
    data = checked(FiveK.open(tmp_path))
    assert (data.train, data.test) == (("a0001-jmac_DSC", "a0010-jmac_DSC"), ("a0002_x",))
    # A set of one's own in such folders is one's own.
    pairs(tmp_path / "own/train", "input/b{}", "target/b{}", (1, 10))
    pairs(tmp_path / "own/test", "input/b{}", "target/b{}", (2,))
    assert found(tmp_path / "own", "night") == "pairs"


def test_sice(tmp_path: Path) -> None:
    top = tmp_path / "Dataset_Part1"
    for scene in range(1, 11):
        for exposure in range(1, 4):
            save(top / f"{scene}/{exposure}.JPG", scene)
        save(top / f"Label/{scene}.JPG", scene + 100)
    save(top / "99/1.JPG", 1)
    assert found(tmp_path, "night") == "sice"
    data = checked(Sice.open(tmp_path))
    assert (len(data.train), len(data.test), data.unlabeled) == (24, 6, ("99/1",))
    assert not {name.partition("/")[0] for name in data.train} & {
        name.partition("/")[0] for name in data.test
    }


@pytest.mark.parametrize(
    ("image", "target"),
    [
        ("{}", "{}"),
        ("{}_NOISY", "{}_GT"),
        ("NOISY_SRGB_{}", "GT_SRGB_{}"),
        ("low{}", "normal{}"),
        ("Low_{}", "High_{}"),
        ("deep/er/{}_input", "deep/er/{}_target"),
    ],
)
@pytest.mark.parametrize("task", ["denoising", "night"])
def test_names_of_ones_own_pairs(tmp_path: Path, image: str, target: str, task: str) -> None:
    pairs(tmp_path / "train", f"Input/{image}", f"Target/{target}", (1, 10, 111), ending="JPG")
    pairs(tmp_path / "test", f"input/{image}", f"target/{target}", (2, 22))
    save(tmp_path / "train/Input/alone.jpg")
    assert found(tmp_path, task) == "pairs"
    data = checked(ImagePairs.open(tmp_path))
    assert (len(data.train), len(data.test), data.unlabeled) == (3, 2, ("alone",))


def test_many_inputs_of_one_target(tmp_path: Path) -> None:
    for scene in range(12):
        for number in range(3):
            save(tmp_path / f"input/{scene}/{number}.png", scene)
        save(tmp_path / f"target/{scene}.png", scene + 100)
    data = checked(ImagePairs.open(tmp_path))
    assert len(data.train) + len(data.test) == 36
    assert not {name.split("/")[0] for name in data.train} & {name.split("/")[0] for name in data.test}
    save(tmp_path / "target/12.png")
    with pytest.raises(DataError, match=r"target/12\.png is a target without its image"):
        ImagePairs.open(tmp_path)


def test_rules_prefer_the_exact_name() -> None:
    assert next(iter(any_name("a/low1"))) == "a/low1"
    assert {"a/normal1", "a/high1", "a"} <= set(any_name("a/low1"))
    assert "x_GT_1" in set(any_name("x_NOISY_1"))
    assert "x_Gt_1" in set(any_name("x_Noisy_1"))
    assert set(any_name("1")) == {"1"}


def test_alphas_of_all_kinds_in_one_folder(tmp_path: Path) -> None:
    grey = np.resize(np.array([0, 60, 255], np.uint8), SIZE)
    three = np.repeat(grey[..., None], 3, 2)
    for name, array in {
        "L": grey,
        "RGB": three,
        "RGBA": np.dstack([np.full_like(three, 9), grey]),
        "deep": grey.astype(np.uint16) * 257,
    }.items():
        save(tmp_path / f"input/{name}.JPEG")
        save(tmp_path / f"target/{name}.PNG", array)
    palette = Image.fromarray(grey, "P")
    palette.putpalette([i for i in range(256) for _ in range(3)])
    save(tmp_path / "input/P.jpg")
    palette.save(tmp_path / "target/P.png")
    data = AlphaPairs.open(tmp_path)
    check(data, [*data.train, *data.test])
    assert len({*data.train, *data.test}) == 5
    for name in (*data.train, *data.test):
        found = data.target(name)
        assert np.allclose(found[..., 0] / np.iinfo(found.dtype).max, grey / 255), name


@pytest.mark.parametrize("task", ["segmentation", "denoising", "matting", "night"])
def test_unknown_folders_say_what_was_looked_for_and_where(tmp_path: Path, task: str) -> None:
    save(tmp_path / "some/where/1.png")
    with pytest.raises(DataError) as caught:
        found(tmp_path, task)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    for spec in REGISTRY.datasets_of(task):
        layout = resolve(spec.dataset)
        # Fallbacks, one's own pairs among them, in words, and public sets by name.
        assert not spec.needs_path or (layout.layout if layout.fallback else spec.name) in str(caught.value)


def spell(root: Path, change: Callable[[str], str]) -> None:
    """Rename every folder below a root."""
    for path in sorted(
        (path for path in root.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts)
    ):
        path.rename(path.with_name(change(path.name)))


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_case_of_folders(tmp_path: Path, change: Callable[[str], str]) -> None:
    for part in ("train", "test"):
        for number in range(3):
            save(tmp_path / f"{part}/input/{number}.png", number)
            mask(tmp_path / f"{part}/target/{number}.png", number)
    before = SegmentationPairs.open(tmp_path)
    assert len(before.classes) == 3
    check(before, [*before.train, *before.test])
    spell(tmp_path, change)
    after = SegmentationPairs.open(tmp_path)
    assert (after.train, after.test, after.classes) == (before.train, before.test, before.classes)
    assert after.fingerprint() == before.fingerprint()
