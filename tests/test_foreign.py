"""What was written elsewhere, or by another version: what it may name, what it gives away, and what is made of it."""

import json
import platform
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import Said
from PIL import Image
from test_unlabeled import make_pairs, plan
from test_worker import Countdown

from ssl_bench.bench import Bench
from ssl_bench.errors import CellError, DataError
from ssl_bench.machine import own_folders
from ssl_bench.machine.own_folders import is_own, note_own
from ssl_bench.registry.loading import load_registry
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.record import parse_record
from ssl_bench.store.results import ResultStore, same
from ssl_bench.use.trained import load_trained
from ssl_bench.worker.attempt import Interrupted
from ssl_bench.worker.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights
from ssl_bench.worker.worker import order_in, run_cell

Command = Callable[..., Said]
REGISTRY = load_registry()
CPU = torch.device("cpu")
FORMS = Path(__file__).parent / "forms"
"""A cell's folder by each form of its files, as published versions wrote them: a form stays as it is. `1-first` has
nothing of what came to form 1 later. Tensors are cut to two numbers each.
"""
METHODS = "supervised,mt"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user whose commands have worked on nothing yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    own_folders._noted.cache_clear()
    yield tmp_path / "state"
    own_folders._noted.cache_clear()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with two finished cells on a folder of pairs, `set` beside it."""
    root = tmp_path_factory.mktemp("place-of-mine")
    store = ResultStore(root / "runs")
    for order in plan(make_pairs(root / "set"), methods=METHODS).orders:
        run_cell(store.stage(order).path, CPU, REGISTRY)
    return root


def forgotten(state: Path) -> None:
    """As if another user, or on another machine."""
    shutil.rmtree(state, ignore_errors=True)
    own_folders._noted.cache_clear()


def test_a_folder_that_a_cell_alone_names_is_not_looked_into(
    command: Command, finished: Path, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, data = finished / "runs", finished / "set"
    one = next((runs / "cells").iterdir())
    looked: list[str] = []
    reading = Path.read_bytes

    def noted(path: Path) -> bytes:
        looked.append(str(path))
        return reading(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    asked = (
        ("show", one, "--out", tmp_path / "show.png"),
        ("compare", "--runs", runs, "--out", tmp_path / "figures"),
        ("report", runs, "--out", tmp_path / "report.html"),
    )
    for arguments in asked:
        said = command(*arguments)
        assert said.status == (0 if arguments[0] == "report" else 2)
        assert len(said.err.strip().splitlines()) == 1, said.err
        assert f"--data night={data}" in said.err
        assert not [path for path in looked if path.startswith(str(data))]
    assert "data:image/png" not in (tmp_path / "report.html").read_text()

    # By the user's word, which is then kept; the data may have moved.
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    for arguments in asked:
        forgotten(state)
        said = command(*arguments, "--data", f"night={moved}")
        assert (said.status, said.err) == (0, "")
        assert is_own(moved)
        assert not is_own(data)
    assert "data:image/png" in (tmp_path / "report.html").read_text()
    forgotten(state)
    with pytest.raises(DataError, match="add --data night="):
        Bench(runs).show(one)
    from_python = Bench(runs).show(one.name, data={"night": str(moved)})
    with Image.open(tmp_path / "show.png") as drawn:
        assert from_python.tobytes() == drawn.tobytes()
    # Other data is refused, whoever names it.
    other = make_pairs(tmp_path / "other", 13)
    said = command(*asked[0], "--data", f"night={other}")
    assert said.status == 2
    assert "the data set has changed" in said.err
    said = command(*asked[0], "--data", "night")
    assert (said.status, "write TASK=PATH" in said.err) == (2, True)


def test_whoever_runs_a_command_on_a_folder_needs_to_say_no_more(
    command: Command, state: Path, tmp_path: Path
) -> None:
    data, runs = make_pairs(tmp_path / "set"), tmp_path / "runs"
    for order in plan(data, methods="supervised").orders:
        run_cell(ResultStore(runs).stage(order).path, CPU, REGISTRY)
    own_folders._noted.cache_clear()
    said = command("show", next((runs / "cells").iterdir()), "--out", tmp_path / "show.png")
    assert (said.status, said.err) == (0, "")
    (tmp_path / "link").symlink_to(data)
    assert is_own(tmp_path / "link")
    assert not is_own(tmp_path)


def test_what_is_kept_in_mind_is_private_and_no_hindrance(state: Path, tmp_path: Path) -> None:
    strange = tmp_path / "a\nb\\nc"
    note_own([tmp_path, strange])
    note_own([tmp_path])
    file = state / "ssl-bench" / "data-folders"
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_bytes().splitlines()) == 2
    assert is_own(strange)
    assert not is_own(tmp_path / "a")
    forgotten(state)
    state.write_text("no folder")
    note_own([tmp_path])
    assert not is_own(tmp_path)


def test_a_foreign_cell_is_used_within_its_folder(command: Command, finished: Path, tmp_path: Path) -> None:
    """Whatever a cell names, nothing is written or run outside of what the user names."""
    foreign = tmp_path / "foreign"
    shutil.copytree(finished / "runs", foreign)
    one = next((foreign / "cells").iterdir())
    content = json.loads((one / "cell.json").read_text())
    marker = tmp_path / "ran"
    content["plugins"] = {"evil.py": f"open({str(marker)!r}, 'w')\n"}
    (one / "cell.json").write_text(json.dumps(content))
    before = {*tmp_path.rglob("*")}
    (tmp_path / "in").mkdir()
    shutil.copy(finished / "set" / "input" / "0.png", tmp_path / "in")
    for arguments in (
        ("show", one, "--out", tmp_path / "show.png"),
        ("export", one, "--format", "weights", "--out", tmp_path / "network"),
        ("predict", one, tmp_path / "in", "--out", tmp_path / "out"),
        ("compare", "--runs", foreign, "--out", tmp_path / "figures"),
    ):
        said = command(*arguments)
        assert said.status == 2
        assert "evil.py; add --plugin" in said.err
    assert not marker.exists()
    new = {path.relative_to(tmp_path).parts[0] for path in {*tmp_path.rglob("*")} - before}
    assert new <= {"in", "out"}

    # Nor does a record, by the name of its cell or by its links.
    record = json.loads((one / "result.json").read_text())
    for evil in ("../../x", "/etc/x", ".x", "a/b", "a\0b", "", "x" * 300):
        record["cell"]["id"] = evil
        (one / "result.json").write_text(json.dumps(record))
        said = command("collect", one, "--out", tmp_path / "collected")
        assert (said.status, len(said.err.strip().splitlines())) == (2, 1), said.err
        assert str(one) in said.err
        command("merge", foreign, "--out", tmp_path / "merged")
    new = {path.relative_to(tmp_path).parts[0] for path in {*tmp_path.rglob("*")} - before}
    assert new <= {"in", "out", "collected", "merged"}
    assert {path.name for path in (tmp_path / "merged").rglob("result.json")} <= {"result.json"}


def test_what_is_published_gives_no_place_and_no_person_away(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = {name: f"{name}-of-mine-7" for name in ("host", "user", "home", "secret", "place")}
    monkeypatch.setattr(platform, "node", lambda: mine["host"])
    for name, value in {"USER": "user", "LOGNAME": "user", "HOSTNAME": "host", "MY_TOKEN": "secret"}.items():
        monkeypatch.setenv(name, mine[value])
    monkeypatch.setenv("HOME", str(tmp_path / mine["home"]))
    root = tmp_path / mine["place"]
    data, runs = make_pairs(root / "titles"), root / "runs"
    for order in plan(data, methods=METHODS).orders:
        run_cell(ResultStore(runs).stage(order).path, CPU, REGISTRY)
    out = tmp_path / "published"
    for arguments in (
        ("collect", runs, "--out", out / "records"),
        ("leaderboard", runs, "--format", "md,csv,tex,html", "--out", out / "tables"),
        ("report", out / "records", "--out", out / "report.html"),
    ):
        said = command(*arguments)
        assert (said.status, said.err) == (0, "")
        assert arguments[0] == "report" or "hold: scores, settings, hardware" in said.out
    published = [path for path in out.rglob("*") if path.is_file()]
    published += list((runs / "cells").glob("*/result.json"))
    assert len(published) > 20
    # A results folder itself does hold them, for those who work on it.
    assert mine["place"] in next((runs / "cells").glob("*/cell.json")).read_text()
    for path in published:
        text = path.read_text(encoding="utf-8")
        found = [value for value in (*mine.values(), str(tmp_path), str(Path.cwd())) if value in text]
        assert found == [], path
        # Nor any other absolute path of this machine.
        words = {
            word for word in re.findall(r"(?<![\w/:.<])/[\w.-]+(?:/[\w.-]+)+", text) if Path(word).exists()
        }
        assert words == set(), path


def test_names_are_left_out_where_that_is_asked_for(command: Command, finished: Path, tmp_path: Path) -> None:
    said = command("collect", finished / "runs", "--out", tmp_path / "plain")
    assert "names of test images, of the data's folder" in said.out
    said = command("collect", finished / "runs", "--out", tmp_path / "bare", "--without-names")
    assert (said.status, said.err) == (0, "")
    for plain, bare in zip(
        *(sorted((tmp_path / name).glob("*.json")) for name in ("plain", "bare")), strict=True
    ):
        first, second = (json.loads(path.read_text()) for path in (plain, bare))
        ids = second["per_image"].pop("ids")
        names = first["per_image"].pop("ids")
        assert sorted(ids) == [f"{place:06d}" for place in range(len(names))]
        assert [names[ids.index(number)] for number in sorted(ids)] == sorted(names)
        assert first["describe"].pop("data") == {"title": "set"}
        assert second["describe"].pop("data") == {}
        assert first == second
    for name in ("plain", "bare"):
        assert command("leaderboard", tmp_path / name).status == 0
    # Images still pair: all that is told of differences is the same.
    rows = [
        [
            line
            for line in (tmp_path / name / "leaderboards" / "comparison.md").read_text().splitlines()
            if line[:1] == "|"
        ]
        for name in ("plain", "bare")
    ]
    assert rows[0] == rows[1] != []


def test_every_published_form_is_read(tmp_path: Path) -> None:
    """Cells, checkpoints, weights and records as each form of them was first written."""
    forms = sorted(path.name for path in FORMS.iterdir())
    assert forms == ["1", "1-first"]
    for form in forms:
        folder = tmp_path / form
        shutil.copytree(FORMS / form, folder)
        cell, record = order_in(folder).cell, parse_record(CellFolder(folder).record)
        assert cell.id == record.cell.id == folder.joinpath("id").read_text().strip()
        assert record.score == pytest.approx(4.6, abs=3)
        assert set(load_weights(CellFolder(folder).weights) or {}) == {"student.network.head.weight"}
        state = load_checkpoint(folder)
        assert state is not None
        assert state["cell"] == cell.id
        assert {"code", "trainer", "step", "curves", "evaluations", "meter", "resumed_at"} <= state.keys()


def changed(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_what_a_later_version_wrote_is_refused_in_a_line(
    command: Command, finished: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(finished / "runs", runs)
    one, other = sorted((runs / "cells").iterdir())
    changed(one / "cell.json", schema=2)
    for reader in (order_in, load_trained):
        with pytest.raises(
            (CellError, DataError), match=r"cell\.json is no cell of a form that is known here \(schema 2\)"
        ):
            reader(one)
    changed(other / "cell.json", new_field=1)
    with pytest.raises(CellError, match="it has 'new_field'"):
        order_in(other)
    changed(one / "result.json", schema=2)
    said = command("leaderboard", runs)
    assert said.status == 0
    (line,) = said.err.strip().splitlines()
    assert str(one) in line
    assert "schema 2" in line


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("form", 2, "another form (2)"),
        ("cell", "x", "another cell"),
        ("code", "x", "another version of the code"),
        ("form", None, ""),
    ],
)
def test_a_checkpoint_is_gone_on_from_where_it_is_the_same_computation(
    finished: Path, tmp_path: Path, field: str, value: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (order,) = plan(finished / "set", methods="supervised").orders
    folder = ResultStore(tmp_path).stage(order).path
    with pytest.raises(Interrupted):
        run_cell(folder, CPU, REGISTRY, Countdown(lambda look: look == 2))
    state = load_checkpoint(folder)
    assert state is not None
    assert state["form"] == 1
    state[field] = value
    if value is None:
        del state[field]
    save_checkpoint(folder, state)
    run_cell(folder, CPU, REGISTRY)
    lines = [line for line in capsys.readouterr().out.splitlines() if "checkpoint" in line]
    assert [said in line and "starting over" in line for line in lines] == [True] * bool(said)
    record, undisturbed = CellFolder(folder).finished(), ResultStore(finished / "runs").finished(order.cell)
    assert record is not None
    assert undisturbed is not None
    assert same(record, undisturbed)
    assert record.provenance.resumed_at == ([] if said else [1])


def test_weights_that_unfold_to_more_than_they_are_are_none(tmp_path: Path) -> None:
    state = {"w": torch.zeros(1 << 20)}
    save_weights(tmp_path / "weights.pt", state)
    assert load_weights(tmp_path / "weights.pt") is not None
    with (
        zipfile.ZipFile(tmp_path / "weights.pt") as stored,
        zipfile.ZipFile(tmp_path / "folded.pt", "w", zipfile.ZIP_DEFLATED) as folded,
    ):
        for entry in stored.infolist():
            folded.writestr(entry.filename, stored.read(entry))
    assert (tmp_path / "folded.pt").stat().st_size < 20_000
    # Torch itself would take it.
    assert torch.equal(torch.load(tmp_path / "folded.pt", weights_only=True)["w"], state["w"])
    assert load_weights(tmp_path / "folded.pt") is None
