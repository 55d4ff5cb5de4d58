"""`ssl-bench export`: files read back by the programs they are for, against the cell's own evaluation."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import Said
from safetensors.torch import load_file
from torch import Tensor, nn

from ssl_bench.cli.export import export as command_line
from ssl_bench.errors import CellError, DataError, UsageError
from ssl_bench.use.export import FORMATS, export, load_weights, require_packages
from ssl_bench.use.trained import load_trained

Command = Callable[..., Said]
SmallCell = Callable[..., Path]
SIZES = ((1, 37, 53), (3, 101, 35), (1, 64, 64))


def read_torchscript(path: Path) -> Callable[[Tensor], Tensor]:
    extra = {"ssl_bench": ""}
    network = torch.jit.load(path, _extra_files=extra)
    assert "classes" in json.loads(extra["ssl_bench"])
    return network


def read_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    (output,) = model.graph.output
    shape = [dimension.dim_param or dimension.dim_value for dimension in output.type.tensor_type.shape.dim]
    assert shape[0] == "batch"
    assert shape[2:] == ["height", "width"]
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["input"].startswith("images: float32 (batch, 3, height, width) in [0, 1], RGB")
    assert isinstance(json.loads(about["classes"]), list)
    session = onnxruntime.InferenceSession(path)
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


READERS = {"onnx": read_onnx, "torchscript": read_torchscript, "weights": load_weights}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("form", "task", "backbone"),
    [
        ("onnx", "segmentation", "unet-small"),
        ("torchscript", "segmentation", "unet-small"),
        ("torchscript", "matting", "unet-small"),
        ("torchscript", "denoising", "fpn/tf_efficientnet_lite0"),
        ("weights", "segmentation", "unet-small"),
        ("weights", "denoising", "fpn/tf_efficientnet_lite0"),
    ],
)
def test_a_file_gives_what_evaluation_scores(
    command: Command, tmp_path: Path, small_cell: SmallCell, form: str, task: str, backbone: str
) -> None:
    folder = small_cell(task, backbone)
    path = tmp_path / "network.bin"
    said = command("export", folder, "--format", form, "--out", path)
    assert (said.status, said.err) == (0, "")
    assert {file.name for file in tmp_path.iterdir()} - {"network.bin.json"} == {"network.bin"}
    packed = zipfile.ZipFile(path) if form == "torchscript" else None
    content = path.read_bytes() if packed is None else b"".join(map(packed.read, packed.namelist()))
    for place in (Path(__file__).parents[2], Path(torch.__file__).parent):
        assert str(place).encode() not in content, "a file tells where it was made"
    trained, exported = load_trained(folder), READERS[form](path)
    for batch, height, width in SIZES:
        images = torch.from_numpy(np.random.default_rng(height).random((batch, 3, height, width), np.float32))
        with torch.inference_mode():
            expected = trained.task.activate(trained.method.predict(images))
            found = exported(images)
        assert found.shape == expected.shape
        assert found.dtype == torch.float32
        assert (found - expected).abs().max() < 1e-4
        assert expected.std() > 0.01
        assert task == "segmentation" or (expected - images).abs().mean() > 1e-3


def test_a_file_normalises_as_the_encoder_was_trained(tmp_path: Path, small_cell: SmallCell) -> None:
    trained = load_trained(small_cell("denoising", "fpn/tf_efficientnet_lite0"))
    assert export(trained, "onnx", tmp_path / "network.onnx") < 1e-4
    exported = read_onnx(tmp_path / "network.onnx")
    for batch, height, width in (*SIZES, (2, 64, 96)):
        images = torch.from_numpy(np.random.default_rng(height).random((batch, 3, height, width), np.float32))
        with torch.inference_mode():
            expected = trained.task.activate(trained.method.predict(images))
        assert (exported(images) - expected).abs().max() < 1e-4
    with torch.inference_mode():
        # As timm states it of this encoder: a mean and a deviation of 0.5.
        expected = images + trained.method.deployed.network((images - 0.5) / 0.5)
    assert (exported(images) - expected).abs().max() <= 1e-5


def test_weights_say_how_to_rebuild(tmp_path: Path, small_cell: SmallCell) -> None:
    trained = load_trained(small_cell("segmentation"))
    path = tmp_path / "network.safetensors"
    assert export(trained, "weights", path) == 0
    about = json.loads((tmp_path / "network.safetensors.json").read_text())
    assert about["cell"] == trained.cell.id
    assert about["classes"] == list(trained.task.classes)
    assert about["network"]["stride"] == 8
    stored = load_file(path)
    for name, value in trained.method.deployed.state_dict().items():
        assert torch.equal(stored[name], value)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="is no file of"):
        load_weights(path)


class SizeDependent(nn.Module):
    """What a trace gets wrong: the width is a number of Python's, and so the example's for ever."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :1] * float(images.shape[-1])


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_file_that_disagrees_is_not_left(tmp_path: Path, small_cell: SmallCell) -> None:
    trained = load_trained(small_cell("matting"))
    trained.method.model = SizeDependent()  # type: ignore[assignment]
    path = tmp_path / "network.pt"
    path.write_bytes(b"an earlier file")
    with pytest.raises(CellError, match=r"is not written: as torchscript .* differ by"):
        export(trained, "torchscript", path)
    assert path.read_bytes() == b"an earlier file"
    assert [file.name for file in tmp_path.iterdir()] == ["network.pt"]
    # Weights that another backbone than the cell's own holds cannot be rebuilt from the cell's description.
    with pytest.raises(CellError, match="cannot be exported as weights"):
        export(replace(trained), "weights", tmp_path / "network.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["network.pt"]


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    require_packages("torchscript")
    with pytest.raises(
        UsageError,
        match=r"needs onnx, onnxscript, onnxruntime; install with `pip install 'ssl-bench\[export\]'`",
    ):
        require_packages("onnx")


def test_faults_are_said_before_torch_is_imported(
    command: Command, tmp_path: Path, small_cell: SmallCell
) -> None:
    choice = next(parameter.type for parameter in command_line.params if parameter.name == "form")
    assert list(choice.choices) == list(FORMATS)  # type: ignore[attr-defined]
    folder = small_cell("night")
    for out in (tmp_path, tmp_path / "no" / "x.onnx"):
        said = command("export", folder, "--format", "onnx", "--out", out)
        assert said.status == 2
        assert "name a file in a folder that exists" in said.err
    said = command("export", folder, "--out", tmp_path / "x.bin")
    assert (said.status, said.err) == (
        2,
        f"ssl-bench: --out {tmp_path / 'x.bin'}: give --format, or a name that ends in .onnx, .pt, .ts, .safetensors\n",
    )


def test_the_ending_says_what_is_meant(command: Command, tmp_path: Path, small_cell: SmallCell) -> None:
    path = tmp_path / "network.safetensors"
    said = command("export", small_cell("night"), "--out", path)
    assert (said.status, said.err) == (0, "")
    assert path.with_name("network.safetensors.json").is_file()
