"""Label splits: nested, seeded, known by their content."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl_bench.data.splits import check_labels, make_split
from ssl_bench.dataset import Dataset, GuardedDataset
from ssl_bench.errors import DataError, SslBenchError


class Names(Dataset):
    def __init__(self, train: Sequence[str], unlabeled: Sequence[str] = (), test: Sequence[str] = ()) -> None:
        self.train, self.unlabeled, self.test = train, unlabeled, test

    def image(self, name: str) -> np.ndarray:
        return np.zeros((4, 4, 3), np.uint8)

    def target(self, name: str) -> np.ndarray:
        return np.zeros((4, 4), np.uint8)

    def fingerprint(self) -> str:
        return "names"


VOC = Names([f"2007_{index:06d}" for index in range(10582)])


@pytest.mark.parametrize(
    ("labels", "count"),
    [
        ("1/16", 662),
        ("1/8", 1323),
        ("1/4", 2646),
        ("1/2", 5291),
        ("100", 100),
        ("1", 1),
        ("1/1", 10582),
        ("all", 10582),
    ],
)
def test_counts_of_the_public_protocol(labels: str, count: int) -> None:
    split = make_split(VOC, labels, 0, task="t")
    assert len(split.labeled) == count == len(set(split.labeled))
    assert len(split.unlabeled) == 10582 - count
    assert not set(split.labeled) & set(split.unlabeled)


@given(
    st.sets(st.text("abc123", min_size=1, max_size=6), min_size=2, max_size=60), st.integers(0, 5), st.data()
)
def test_smaller_splits_lie_inside_larger_ones(names: set[str], seed: int, data: st.DataObject) -> None:
    dataset = Names(sorted(names))
    small = data.draw(st.integers(1, len(names)))
    large = data.draw(st.integers(small, len(names)))
    inner = make_split(dataset, str(small), seed, task="t")
    outer = make_split(dataset, str(large), seed, task="t")
    assert set(inner.labeled) <= set(outer.labeled)
    # The order in which a folder lists its files does not matter.
    shuffled = Names(sorted(names, reverse=True))
    assert make_split(shuffled, str(small), seed, task="t").hash == inner.hash


def test_seeds_and_contents_change_the_hash() -> None:
    hashes = {make_split(VOC, labels, seed, task="t").hash for labels in ("1/8", "1/4") for seed in (0, 1, 2)}
    assert len(hashes) == 6


def test_a_list_is_matched_exactly(tmp_path: Path) -> None:
    dataset = Names(["1", "10", "111", "22"], test=["7"])
    path = tmp_path / "list.txt"
    path.write_bytes(b"22.jpg 22.png\r\n\r\n1")
    split = make_split(dataset, str(path), 0, task="t")
    assert set(split.labeled) == {"22", "1"}
    assert split.unlabeled == ("10", "111")
    same = make_split(dataset, str(path), 5, task="t")
    assert same.hash == split.hash


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\n11\n", "not in the data set: '11'"),
        ("1\n1.png\n", "listed more than once: '1'"),
        ("7\n1\n", "image '7' .* is in the test set"),
        ("u\n", "image 'u' .* is without a target"),
        ("../1\n", "leads outside"),
        ("\n\n", "lists nothing"),
    ],
)
def test_faulty_lists_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        make_split(Names(["1", "10", "111"], unlabeled=["u"], test=["7"]), str(path), 0, task="t")


@pytest.mark.parametrize("name", ["4", "1", "0.5", "all"])
def test_a_list_is_not_called_what_a_generated_split_is(tmp_path: Path, name: str) -> None:
    dataset = Names([str(number) for number in range(8)])
    (tmp_path / name).write_text("0\n1\n2\n3\n")
    (tmp_path / "list.txt").write_text("0\n1\n2\n3\n")
    split = make_split(dataset, str(tmp_path / name), 0, task="t")
    assert split.source == f"{name} (list)"
    assert set(split.labeled) == {"0", "1", "2", "3"}
    assert make_split(dataset, name, 0, task="t").source == name
    assert make_split(dataset, str(tmp_path / "list.txt"), 0, task="t").source == "list.txt"


def test_more_labels_than_there_are() -> None:
    with pytest.raises(SslBenchError, match="has 3 images with labels, fewer than 4"):
        make_split(Names(["a", "b", "c"]), "4", 0, task="t")


@pytest.mark.parametrize("text", ["0", "-1/8", "9/8", "one", "1.5", "nan", "1/0", "no/such/file.txt"])
def test_impossible_values(text: str) -> None:
    with pytest.raises(SslBenchError, match="--labels"):
        check_labels(text)


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("04", "4"),
        ("1e1", "10"),
        ("2/16", "1/8"),
        ("0.125", "1/8"),
        ("1", "1"),
        ("1/1", "all"),
        ("1.0", "all"),
    ],
)
def test_a_value_has_one_spelling(text: str, spelt: str) -> None:
    assert check_labels(text) == spelt
    dataset = Names([str(number) for number in range(32)])
    assert make_split(dataset, text, 0, task="t").labeled == make_split(dataset, spelt, 0, task="t").labeled


def test_images_without_targets_stay_unlabelled() -> None:
    split = make_split(Names(["a", "b"], unlabeled=["c"]), "all", 0, task="t")
    assert set(split.labeled) == {"a", "b"}
    assert split.unlabeled == ("c",)


def test_an_unlabelled_target_cannot_be_read() -> None:
    data = GuardedDataset(Names(["a", "b"], test=["t"]), ["a"])
    assert data.target("a").shape == data.target("t").shape == (4, 4)
    data.image("b")
    with pytest.raises(DataError, match="'b' is unlabelled in this split"):
        data.target("b")


def test_the_order_of_a_list_changes_nothing(tmp_path: Path) -> None:
    dataset, splits = Names([str(number) for number in range(20)]), []
    generated = make_split(dataset, "5", 0, task="t")
    for names in (generated.labeled, generated.labeled[::-1]):
        (tmp_path / "list.txt").write_text("\n".join(names))
        splits.append(make_split(dataset, str(tmp_path / "list.txt"), 3, task="t"))
    assert splits[0].labeled == splits[1].labeled == generated.labeled
    assert splits[0].hash == splits[1].hash == generated.hash


def test_a_text_too_long_for_a_file_name() -> None:
    with pytest.raises(SslBenchError, match="--labels"):
        check_labels("x" * 300)
