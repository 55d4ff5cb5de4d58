"""List files in every form that public lists come in."""

from pathlib import Path

import pytest

from ssl_bench.data.lists import NameList, read_classes
from ssl_bench.errors import DataError

PATHS = {
    name: [f"kit/VOC2012/JPEGImages/{name}.jpg", f"kit/VOC2012/SegmentationClass/{name}.png"]
    for name in ("1", "10", "111", "a.b", "two words")
}


def read(tmp_path: Path, text: str | bytes, paths: dict[str, list[str]] = PATHS) -> tuple[str, ...]:
    file = tmp_path / "list.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return NameList(paths).read(file)


@pytest.mark.parametrize(
    "text",
    [
        "10\n1\n111\n",
        "10\n1\n111",
        "10\r\n1\r\n\r\n111\r\n",
        b"\xef\xbb\xbf10\n1\n111\n",
        "\n  10  \n\n1\n111\n\n",
        "10.jpg\n1.JPG\n111.png\n",
        "JPEGImages/10.jpg\n./JPEGImages/1\nVOC2012/JPEGImages/111.jpg\n",
        "/JPEGImages/10.jpg /SegmentationClassAug/10.png\n/JPEGImages/1.jpg\tSegmentationClass/1.png\n/111\n",
        "SegmentationClass/10.png\nkit/VOC2012/JPEGImages/1.jpg\n111\n",
    ],
)
def test_forms(tmp_path: Path, text: str | bytes) -> None:
    assert read(tmp_path, text) == ("10", "1", "111")


def test_names_with_dots_and_spaces(tmp_path: Path) -> None:
    assert read(tmp_path, "a.b\ntwo words\n") == ("a.b", "two words")
    assert read(
        tmp_path, "JPEGImages/a.b.jpg\nJPEGImages/two words.jpg\tSegmentationClass/two words.png"
    ) == (
        "a.b",
        "two words",
    )


def test_scene_folders(tmp_path: Path) -> None:
    paths = {
        name: [
            f"x/SIDD/Data/{name}/NOISY_SRGB_010.PNG",
            f"x/SIDD/Data/{name}/GT_SRGB_010.PNG",
            f"x/SIDD/Data/{name}",
        ]
        for name in ("0001_001", "0002_001")
    }
    assert read(tmp_path, "0002_001\nData/0001_001\n", paths) == ("0002_001", "0001_001")
    pair = "Data/0002_001/NOISY_SRGB_010.PNG Data/0002_001/GT_SRGB_010.PNG"
    assert read(tmp_path, pair, paths) == ("0002_001",)
    with pytest.raises(DataError, match=r"not in the data set: 'NOISY_SRGB_010\.PNG'"):
        read(tmp_path, "NOISY_SRGB_010.PNG", paths)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1\n11\n", "not in the data set: '11';"),
        ("1\nJPEG/10.jpg\n", "not in the data set: 'JPEG/10.jpg'"),
        ("1\n10\n1\n", "listed more than once: '1'"),
        ("2\n1\n1\n", "not in the data set: '2'; listed more than once: '1'"),
        ("1\n../10\n", "line 2: '../10' leads outside"),
        ("JPEGImages/../JPEGImages/1.jpg\n", "line 1: .* leads outside"),
        ("1 ../x.png\n", "line 1: '../x.png' leads outside"),
        ("/home/me/kit/VOC2012/JPEGImages/1.jpg\n", "line 1: .* leads outside"),
        ("/etc/passwd\n", "line 1: '/etc/passwd' leads outside"),
        ("C:\\pictures\\1.jpg\n", "line 1: .* leads outside"),
        ("JPEGImages/1.jpg SegmentationClass/10.png\n", "'SegmentationClass/10.png' is not the target"),
        ("1 10 111\n", "more than an image and its target"),
        ("\n \n", "lists nothing"),
        ("", "is empty"),
        (b"\x89PNG\xff\xfe", "no text file"),
    ],
)
def test_faults_in_one_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "list.txt") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_missing_names_stay_short(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'n4' and 95 more"):
        read(tmp_path, "\n".join(f"n{i}" for i in range(100)))


@pytest.mark.parametrize(
    "text",
    [
        "0 Sky\n1 Tall building\n255 void\n",
        "1: Tall building\n0: Sky\n",
        "Sky\r\nTall building",
        "Sky\nTall building\n\n",
    ],
)
def test_classes(tmp_path: Path, text: str) -> None:
    file = tmp_path / "classes.txt"
    file.write_bytes(text.encode())
    assert read_classes(file).names == ("Sky", "Tall building")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 a\n0 b\n", "without gap"),
        ("a\na\n", "'a' more than once"),
        ("a\n", "1 classes"),
    ],
)
def test_class_faults(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "classes.txt"
    file.write_text(text)
    with pytest.raises(DataError, match=words):
        read_classes(file)
