"""Every layout on tiny trees: which images, which roles, which values."""

import shutil
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from trees import SIZE, check, mask, save, write

from ssl_bench.data.folders import FolderDataset, recognise
from ssl_bench.data.samples import Files
from ssl_bench.data.unlabeled import open_data
from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError, PluginError
from ssl_bench.hookspecs import hookimpl
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.seeds import name_hash
from ssl_bench.specs import DatasetSpec
from ssl_bench_tasks.layouts.lol import Lol
from ssl_bench_tasks.layouts.p3m import P3M
from ssl_bench_tasks.layouts.pairs import AlphaPairs, ImagePairs, SegmentationPairs
from ssl_bench_tasks.layouts.sidd import SiddMedium, SiddSmall
from ssl_bench_tasks.layouts.voc import CLASSES, Voc
from ssl_bench_tasks.synthetic.night import SyntheticNight

LAYOUTS: list[tuple[str, type[Dataset]]] = [
    ("voc", Voc),
    ("sidd_small", SiddSmall),
    ("p3m", P3M),
    ("lol", Lol),
    ("pairs", ImagePairs),
]


def make_voc(root: Path) -> Path:
    """1 and 10 labelled, 111 listed without a mask, 7 not listed, 2 for the test."""
    kit = root / "VOCdevkit" / "VOC2012"
    for name, ending in {"1": "jpg", "10": "JPG", "111": "jpeg", "7": "jpg", "2": "png"}.items():
        save(kit / f"JPEGImages/{name}.{ending}", int(name))
    mask(kit / "SegmentationClass/1.png", 0, 20, 255, palette=True)
    mask(kit / "SegmentationClass/10.PNG", 5)
    mask(kit / "SegmentationClass/2.png", 0, 3)
    mask(kit / "SegmentationClass/99.png", 0)
    write(kit / "ImageSets/Segmentation/train.txt", ["111", "10", "1"], "\r\n")
    write(kit / "ImageSets/Segmentation/val.txt", ["2"])
    return root


def make_sidd(root: Path, scenes: int = 10) -> Path:
    """Two instances of each scene; noisy is 9 levels above clean."""
    for number in range(2 * scenes):
        name = f"{number + 1:04d}_{number // 2 + 1:03d}_S6_00100_00060_3200_L"
        folder = root / "SIDD_Small_sRGB_Only" / "Data" / name / (name if number == 3 else "")
        ending = "png" if number == 1 else "PNG"
        save(folder / f"NOISY_SRGB_010.{ending}", number + 9)
        save(folder / f"GT_SRGB_010.{ending}", number)
    return root


def make_p3m(root: Path, parts: tuple[str, ...] = ("P", "NP")) -> Path:
    top = root / "P3M-10k"
    for name in ("p_1", "p_10"):
        save(top / f"train/blurred_image/{name}.jpg")
    save(top / "train/mask/p_1.png", 77, channels=1)
    for part in parts:
        folder = top / f"validation/P3M-500-{part}"
        save(folder / ("blurred_image" if part == "P" else "original_image") / f"{part}1.jpg", 3)
        save(folder / f"mask/{part}1.png", np.full((*SIZE, 4), (9, 9, 9, 255), np.uint8))
    if "NP" in parts:
        save(
            top / "validation/P3M-500-NP/trimap/NP1.png",
            np.tile(np.array([0, 128, 255, 128], np.uint8), (6, 2)),
        )
    return root


def make_lol(root: Path) -> Path:
    for part, names in {"our485": ("2", "5", "55"), "eval15": ("1", "22", "111")}.items():
        for name in names:
            save(root / "LOL" / part / "low" / f"{name}.png", int(name))
            save(root / "LOL" / part / "high" / f"{name}.png", int(name) + 100)
    return root


def make_pairs(root: Path, count: int = 30) -> Path:
    for number in range(count):
        save(root / f"input/{number}.jpg", number)
        save(root / f"target/{number}.png", number, channels=1)
    save(root / "input/bare.png")
    save(root / "unlabeled/more.webp.png")
    return root


MAKERS = MappingProxyType(
    {"voc": make_voc, "sidd_small": make_sidd, "p3m": make_p3m, "lol": make_lol, "pairs": make_pairs}
)


@pytest.mark.parametrize(("name", "layout"), LAYOUTS)
def test_found_from_any_level(tmp_path: Path, name: str, layout: type[Dataset]) -> None:
    outer = tmp_path / "doubled" / "doubled"
    outer.mkdir(parents=True)
    root = MAKERS[name](outer if name != "sidd_small" else tmp_path / "doubled")
    top = layout.open(root)
    folders = [root.parent, root, top.root]  # type: ignore[attr-defined]
    for folder in folders:
        assert recognise(folder, LAYOUTS) == name
        opened = layout.open(folder)
        assert (opened.train, opened.unlabeled, opened.test) == (top.train, top.unlabeled, top.test)
        check(opened, [*opened.train, *opened.test])
        assert opened.fingerprint() == top.fingerprint()


def test_voc(tmp_path: Path) -> None:
    data = Voc.open(make_voc(tmp_path))
    assert (data.train, data.unlabeled, data.test) == (
        ("10", "1"),
        ("111",),
        ("2",),
    )  # The list's order, not 7, not 99.
    assert data.classes == CLASSES
    assert len(CLASSES) == 21
    assert data.image("10").shape == (*SIZE, 3)
    assert np.array_equal(data.target("1"), np.resize([0, 20, 255], SIZE))
    assert data.target("1").dtype == np.uint8
    with pytest.raises(DataError, match=r"'111' .* has no target"):
        data.target("111")
    with pytest.raises(DataError, match="no image '7'"):
        data.image("7")


def test_voc_class_names_beside_the_kit(tmp_path: Path) -> None:
    make_voc(tmp_path)
    write(tmp_path / "classes.txt", [f"{i} c{i}" for i in range(22)] + ["255 void"], "\r\n")
    names = tuple(f"c{i}" for i in range(22))
    for folder in (tmp_path, tmp_path / "VOCdevkit", tmp_path / "VOCdevkit/VOC2012"):
        assert Voc.open(folder).classes == names


def test_voc_augmented(tmp_path: Path) -> None:
    kit = make_voc(tmp_path) / "VOCdevkit/VOC2012"
    mask(kit / "SegmentationClassAug/1.png", 9)
    mask(kit / "SegmentationClassAug/7.png", 9)
    sets = kit / "ImageSets/Segmentation"
    write(
        sets / "train_aug.txt",
        ["/JPEGImages/7.jpg /SegmentationClassAug/7.png", "/JPEGImages/1.jpg /SegmentationClassAug/1.png"],
    )
    data = Voc.open(kit)  # Whoever added train_aug.txt means it, whether or not train.txt is there.
    assert data.train == ("7", "1")
    assert data.target("7").max() == 9
    assert data.target("1").max() == 255  # The fine mask comes first.


def test_sidd_by_scene(tmp_path: Path) -> None:
    data = SiddSmall.open(make_sidd(tmp_path))
    assert (len(data.train), len(data.test)) == (16, 4)
    scenes = [{name.split("_")[1] for name in names} for names in (data.train, data.test)]
    assert not scenes[0] & scenes[1]
    assert len(scenes[1]) == 2
    ranked = sorted((f"{i:03d}" for i in range(1, 11)), key=name_hash)
    assert scenes[1] == set(ranked[:2])
    name = "0004_002_S6_00100_00060_3200_L"  # In a folder doubled.
    assert int(data.image(name)[0, 0, 0]) == 12
    assert data.target(name).tolist() == np.full((*SIZE, 3), 3).tolist()


def test_sidd_by_lists(tmp_path: Path) -> None:
    folder = make_sidd(tmp_path) / "SIDD_Small_sRGB_Only"
    names = sorted(path.name for path in (folder / "Data").iterdir())
    write(folder / "train.txt", reversed(names[:5]))
    write(folder / "val.txt", [f"Data/{name}/NOISY_SRGB_010.PNG" for name in names[6:8]])
    for path in (tmp_path, folder):
        data = SiddSmall.open(path)
        assert (data.train, data.unlabeled, data.test) == (tuple(reversed(names[:5])), (), tuple(names[6:8]))
    (folder / "val.txt").unlink()
    with pytest.raises(DataError, match=r"train\.txt but no val\.txt"):
        SiddSmall.open(folder)


def test_sidd_medium_is_another_layout(tmp_path: Path) -> None:
    make_sidd(tmp_path)
    for path in [*tmp_path.rglob("*.PNG"), *tmp_path.rglob("*.png")]:
        path.rename(path.with_name(f"{path.parent.name[:4]}_{path.name}"))
    assert not SiddSmall.recognises(tmp_path)
    assert SiddMedium.recognises(tmp_path)


def test_p3m(tmp_path: Path) -> None:
    data = P3M.open(make_p3m(tmp_path))
    assert (data.train, data.unlabeled, data.test) == (("p_1",), ("p_10",), ("P1", "NP1"))
    assert data.target("p_1").shape == (*SIZE, 1)
    assert set(data.target("p_1").ravel()) == {77}
    assert set(data.target("NP1").ravel()) == {9}
    assert data.unknown("P1") is None
    region = data.unknown("NP1")
    assert region is not None
    assert region.tolist() == [[False, True, False, True] * 2] * 6
    for parts in (("P",), ("NP",)):
        shutil.rmtree(tmp_path / "P3M-10k")
        assert P3M.open(make_p3m(tmp_path, parts)).test == (f"{parts[0]}1",)


def test_lol(tmp_path: Path) -> None:
    data = Lol.open(make_lol(tmp_path))
    assert (data.train, data.unlabeled, data.test) == (("2", "5", "55"), (), ("1", "111", "22"))
    for name in (*data.train, *data.test):
        assert int(data.image(name)[0, 0, 0]) == int(name)
        assert int(data.target(name)[0, 0, 0]) == int(name) + 100


def test_pairs_hold_out(tmp_path: Path) -> None:
    data = ImagePairs.open(make_pairs(tmp_path, 100))
    assert set(data.unlabeled) == {"bare", "more.webp"}
    assert {*data.train, *data.test} == {str(i) for i in range(100)}
    assert 10 <= len(data.test) <= 30
    first = set(data.test)
    for number in range(100, 130):
        save(tmp_path / f"input/{number}.jpg")
        save(tmp_path / f"target/{number}.png")
    later = ImagePairs.open(tmp_path)
    assert {name for name in later.test if int(name) < 100} == first  # Nothing moves.
    check(data, [*data.train, *data.test])


def test_as_many_are_held_out_as_asked(tmp_path: Path) -> None:
    folder = make_pairs(tmp_path / "pairs")
    plain = ImagePairs.open(folder)
    data = open_data(ImagePairs, folder, tested=12)
    assert len(data.test) == 12
    assert not {*data.test} & {*data.train, *data.unlabeled}
    assert {*data.test, *data.train} == {*plain.test, *plain.train}
    assert data.unlabeled == plain.unlabeled
    assert set(plain.test) < set(data.test)  # More of the same order.
    assert data.fingerprint() != plain.fingerprint()
    assert open_data(ImagePairs, folder, tested=len(plain.test)).fingerprint() == plain.fingerprint()
    check(data, [*data.train, *data.test])
    with pytest.raises(
        DataError, match=r"--test 30 of 30 labelled images in 30 groups leaves none to train on"
    ):
        open_data(ImagePairs, folder, tested=30)


def test_scenes_are_held_out_whole_and_given_test_sets_stay(tmp_path: Path) -> None:
    data = open_data(SiddSmall, make_sidd(tmp_path / "sidd"), tested=1)
    scenes = {data.group(name) for name in data.test}
    assert len(scenes) == 1
    assert not scenes & {data.group(name) for name in data.train}
    with pytest.raises(DataError, match=r"lol.*: its test images are given: --test is for data without any"):
        open_data(Lol, make_lol(tmp_path / "lol"), tested=3)
    with pytest.raises(DataError, match=r"data made in memory: its test images are given"):
        open_data(SyntheticNight, None, tested=3)


def make_matting(root: Path, *trimaps: str) -> Path:
    """Test images of all forms of names, and trimaps of these paths, of which each marks a column of its own."""
    for name in ("a", "b"):
        save(root / f"input/{name}.png")
        save(root / f"target/{name}_alpha.png", channels=1)
    for name in ("t", "u", "low1", "7/1", "day", "day/1"):
        save(root / f"test/input/{name}.png")
    for name in ("t_alpha", "u", "normal1", "7", "day", "day/1"):
        save(root / f"test/target/{name}.png", channels=1)
    for column, name in enumerate(trimaps):
        trimap = np.zeros(SIZE, np.uint8)
        trimap[:, column] = 128
        save(root / f"test/trimap/{name}.png", trimap)
    return root


@pytest.mark.parametrize(
    ("trimap", "owner"),
    [
        *(("t_alpha", "t"), ("t", "t"), ("t_trimap", "t"), ("t_alpha_trimap", "t"), ("t-Trimap", "t")),
        *(("t_matte", "t"), ("u", "u"), ("u_trimap", "u"), ("u_alpha", "u")),
        *(("normal1", "low1"), ("low1", "low1"), ("normal1_trimap", "low1")),
        *(("7", "7/1"), ("7/1", "7/1"), ("7/1_trimap", "7/1"), ("day", "day"), ("day/1", "day/1")),
    ],
)
def test_trimaps_by_their_targets_names_or_their_images(tmp_path: Path, trimap: str, owner: str) -> None:
    data = AlphaPairs.open(make_matting(tmp_path, trimap))
    assert {name for name in data.test if data.unknown(name) is not None} == {owner}


def test_a_trimap_of_no_image_is_an_error(tmp_path: Path) -> None:
    make_matting(tmp_path, "t", "u_trimap", "day")
    data = AlphaPairs.open(tmp_path)
    columns = {name: np.flatnonzero(data.unknown(name)[0]).tolist() for name in ("t", "u", "day")}  # type: ignore[index]
    assert columns == {"t": [0], "u": [1], "day": [2]}
    # A second one of an image is nobody's, and so is one of a name that no image has.
    for name in ("t_trimap", "v"):
        path = save(tmp_path / f"test/trimap/{name}.png", channels=1)
        with pytest.raises(DataError) as caught:
            AlphaPairs.open(tmp_path)
        assert str(caught.value).startswith(
            f"{path} is a trimap without its image in {tmp_path / 'test/input'}; "
        )
        assert str(caught.value).endswith("(a trimap has its image's name, or its target's)")
        path.unlink()


@pytest.mark.parametrize(
    ("owner", "others"),
    [
        ("day1", ("day1/0", "day1/1")),
        ("normal1", ("low1", "dark1")),
        ("x_mask", ("x",)),
        ("7/gt", ("7/noisy",)),
    ],
)
def test_a_target_of_an_image_s_own_name_serves_no_other(
    tmp_path: Path, owner: str, others: tuple[str, ...]
) -> None:
    for name in (owner, *others):
        save(tmp_path / f"train/input/{name}.png")
    for name in ("train/target", "test/input", "test/target"):
        save(tmp_path / name / f"{owner}.png", 9)
    data = ImagePairs.open(tmp_path)
    assert (set(data.train), set(data.unlabeled)) == ({owner}, {*others})
    # Without that image it is the others'.
    (tmp_path / f"train/input/{owner}.png").unlink()
    data = ImagePairs.open(tmp_path)
    assert (set(data.train), set(data.unlabeled)) == ({*others}, set())


@pytest.mark.parametrize("count", [2, 3, 4])
def test_few_pairs_fill_both_parts(tmp_path: Path, count: int) -> None:
    data = ImagePairs.open(make_pairs(tmp_path, count))
    assert data.train
    assert data.test


@pytest.mark.parametrize("prefix", ["", "train/"])
def test_pairs_with_a_test_folder(tmp_path: Path, prefix: str) -> None:
    for name in ("1", "2"):
        save(tmp_path / f"{prefix}input/{name}.png", 1)
        save(tmp_path / f"{prefix}target/{name}.png", 1)
    save(tmp_path / f"{prefix}unlabeled/1.png", 2)
    save(tmp_path / "test/input/1.png", 3)
    save(tmp_path / "test/target/1.png", 3)
    data = ImagePairs.open(tmp_path)
    assert data.train == ("1", "2")
    assert (data.unlabeled, data.test) == ((f"{prefix}unlabeled/1",), ("test/input/1",))
    assert [int(data.image(name)[0, 0, 0]) for name in ("1", *data.unlabeled, *data.test)] == [1, 2, 3]


def test_pairs_of_other_kinds(tmp_path: Path) -> None:
    assert AlphaPairs.open(make_pairs(tmp_path)).target("3").shape == (*SIZE, 1)
    data = SegmentationPairs.open(tmp_path)  # Its masks hold 0 to 29.
    assert data.classes == tuple(f"class {i}" for i in range(30))
    assert data.target("3").tolist() == np.full(SIZE, 3).tolist()
    write(tmp_path / "classes.txt", [f"name {i}" for i in range(40)])
    assert len(SegmentationPairs.open(tmp_path).classes) == 40


def test_pairs_leave_folders_to_other_layouts(tmp_path: Path) -> None:
    for name in ("input", "target"):
        save(make_lol(tmp_path) / name / "1.png")
    assert recognise(tmp_path, LAYOUTS) == "lol"


def test_recognise_nothing_or_several(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no known layout") as caught:
        recognise(tmp_path, LAYOUTS)
    said = str(caught.value)
    # One's own pairs in words, and public sets by name.
    assert all(layout.layout in said if layout.fallback else name in said for name, layout in LAYOUTS)
    assert len(said) < 500
    make_lol(make_voc(tmp_path))
    with pytest.raises(DataError, match="as 'voc' and 'lol'; say which with `--dataset TASK=NAME`") as caught:
        recognise(tmp_path, LAYOUTS)
    assert "\n" not in str(caught.value)


def test_photographs_in_no_folder(tmp_path: Path) -> None:
    for name in ("a.JPG", "b.png"):
        save(tmp_path / name)
    write(tmp_path / "notes.txt", ["x"])
    with pytest.raises(DataError) as caught:
        recognise(tmp_path, LAYOUTS)
    assert str(caught.value) == (
        f"{tmp_path} holds no known layout, but 2 pictures of its own: move the inputs to {tmp_path / 'input'}, and "
        f"the targets of those that have one, of the same names, to {tmp_path / 'target'}"
    )


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    folder = make_lol(tmp_path) / "LOL/our485/low"
    for name in ("._2.png", "Thumbs.db", "notes.txt", "__MACOSX/2.png"):
        write(folder / name, ["x"])
    assert Lol.open(tmp_path).train == ("2", "5", "55")


def test_fingerprint_is_of_content_alone(tmp_path: Path) -> None:
    first = make_voc(tmp_path / "a")
    one = Voc.open(first).fingerprint()
    shutil.copytree(first, tmp_path / "elsewhere/b")  # New times, another place.
    copy = Voc.open(tmp_path / "elsewhere/b")
    check(copy, copy.train)
    assert copy.fingerprint() == one
    kit = tmp_path / "elsewhere/b/VOCdevkit/VOC2012"
    mask(kit / "SegmentationClass/99.png", 1)  # In no list.
    assert Voc.open(kit).fingerprint() == one
    mask(kit / "SegmentationClass/10.PNG", 6)
    assert Voc.open(kit).fingerprint() != one
    (first / "VOCdevkit/VOC2012/SegmentationClass/10.PNG").unlink()  # Another role.
    assert Voc.open(first).fingerprint() != one


def test_arrays_are_decoded_once_and_read_only(tmp_path: Path) -> None:
    data = Lol.open(make_lol(tmp_path))
    assert data.image("2") is data.image("2")
    with pytest.raises(ValueError, match="read-only"):
        data.image("2")[0] = 0


def test_a_third_party_layout_is_a_few_attributes(tmp_path: Path) -> None:
    class Raindrops(FolderDataset):
        layout = "raindrops: {train,test}/{data,gt}, 0_rain.png with 0_clean.png"
        targets_are = "picture"
        marks = (("train/data", "test/data"),)
        train_files = (
            Files(
                images="train/data",
                targets=("train/gt",),
                image_id=lambda path: path.name.removesuffix("_rain"),
                target_id=lambda path: path.name.removesuffix("_clean"),
            ),
        )
        test_files = (Files(images="test/data", targets=("test/gt",)),)

    for name in ("0", "10"):
        save(tmp_path / f"train/data/{name}_rain.png", int(name))
        save(tmp_path / f"train/gt/{name}_clean.jpg", int(name))
    save(tmp_path / "test/data/1.png")
    save(tmp_path / "test/gt/1.png")
    data = Raindrops.open(tmp_path)
    assert (data.train, data.test) == (("0", "10"), ("1",))
    assert recognise(tmp_path, [*LAYOUTS, ("raindrops", Raindrops)]) == "raindrops"


def test_a_plugin_whose_layout_cannot_be_loaded_is_passed_over(tmp_path: Path) -> None:
    hook = hookimpl(lambda: [DatasetSpec(name="lost", task="night", dataset=f"{__name__}:Lost")])
    registry = load_registry([SimpleNamespace(__name__="mine", provide_datasets=hook)])
    request = Request(tasks="night", methods="supervised", data=[f"night={make_lol(tmp_path)}"], labels="1")
    plan = make_plan(registry, request)
    assert plan.cells[0].dataset == "lol"
    assert plan.notes[0].startswith("passed over: dataset 'night/lost' of plugin 'mine' cannot be loaded")
    with pytest.raises(PluginError, match="dataset 'night/lost' of plugin 'mine' cannot be loaded"):
        make_plan(registry, request.model_copy(update={"dataset": {"night": "lost"}}))
