"""Small whole files, one or more of each kind, from which fuzzing begins."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

RECORDS = Path(__file__).parents[2] / "tests" / "golden" / "records"
SIZE = (6, 7)


def _noise(*channels: int, top: int = 256, kind: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, top, (*SIZE, *channels)).astype(kind)


def _saved(picture: Image.Image, form: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **more)
    return buffer.getvalue()


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def png() -> Iterator[bytes]:
    """Grey, colour, palette, alpha, 16 bits and 1 bit."""
    palette = Image.fromarray(_noise(top=3)).convert("P")
    for picture in (
        *(Image.fromarray(_noise(top=3)), Image.fromarray(_noise(3)), Image.fromarray(_noise(4)), palette),
        *(Image.fromarray(_noise(top=65536, kind=np.uint16)), Image.fromarray(_noise(top=2, kind=bool))),
    ):
        yield _saved(picture, "PNG")
    yield _saved(Image.fromarray(_noise(3)), "PNG", exif=_turned(), transparency=(1, 2, 3))


def jpeg() -> Iterator[bytes]:
    """Grey, colour, CMYK, progressive and turned."""
    yield _saved(Image.fromarray(_noise()), "JPEG")
    yield _saved(Image.fromarray(_noise(3)), "JPEG", exif=_turned())
    yield _saved(Image.fromarray(_noise(3)), "JPEG", progressive=True)
    yield _saved(Image.fromarray(_noise(4), "CMYK"), "JPEG")


def tiff() -> Iterator[bytes]:
    """By both writers: colour, grey, floats, planes, pages, compressed, big."""
    from tifffile import imwrite

    yield _saved(Image.fromarray(_noise(3)), "TIFF", compression="tiff_lzw")
    yield _saved(Image.fromarray(_noise(top=2, kind=bool)), "TIFF", compression="group4")
    yield _saved(Image.fromarray(_noise()), "TIFF", tiffinfo={274: 6})
    for array, more in (
        (_noise(5, kind=np.uint16), {"photometric": "minisblack", "planarconfig": "contig"}),
        (_noise(kind=np.float32), {"photometric": "minisblack", "compression": "zlib"}),
        (np.stack([_noise()] * 3), {"photometric": "minisblack"}),
        (_noise(top=4), {"photometric": "miniswhite", "bigtiff": True}),
        (_noise(3), {"photometric": "rgb", "tile": (16, 16)}),
    ):
        buffer = io.BytesIO()
        imwrite(buffer, array, **more)
        yield buffer.getvalue()


def other_pictures() -> Iterator[bytes]:
    """BMP, WebP, PNM, and AVIF where it is read."""
    grey, colour = Image.fromarray(_noise()), Image.fromarray(_noise(3))
    yield from (
        _saved(grey, "BMP"),
        _saved(colour, "BMP"),
        _saved(colour, "WEBP"),
        _saved(colour, "WEBP", lossless=True),
    )
    yield from (
        b"P5\n3 2\n7\n\0\1\2\3\4\7",
        b"P6 2 1 65535\n" + bytes(12),
        b"P4\n9 2\n\1\2\3\4",
        b"P2\n2 2\n9\n1 2 3 4\n",
    )
    yield b"Pf\n2 2\n-1.0\n" + np.float32([0, 0.5, 1, 2]).tobytes()


def arrays() -> Iterator[bytes]:
    """`.npy` of several types and shapes, and NIfTI where it is read."""
    for array in (
        _noise(),
        _noise(3),
        _noise(kind=np.float32),
        np.stack([_noise(kind=np.int16)] * 3),
        _noise(kind=bool),
    ):
        buffer = io.BytesIO()
        np.save(buffer, array)
        yield buffer.getvalue()


def volumes() -> Iterator[bytes]:
    """NIfTI, plain and compressed; none where it is not read."""
    try:
        import nibabel
    except ImportError:
        return
    content = nibabel.Nifti1Image(np.stack([_noise(kind=np.int16)] * 2), np.eye(4)).to_bytes()
    yield from (content, gzip.compress(content, mtime=0))


def matlab() -> Iterator[bytes]:
    """An array and a struct, plain and compressed."""
    from scipy.io import savemat

    for compressed in (False, True):
        buffer = io.BytesIO()
        savemat(buffer, {"x": _noise(), "s": {"y": _noise(kind=np.float64)}}, do_compression=compressed)
        yield buffer.getvalue()


def lists() -> Iterator[bytes]:
    """Names, paths and pairs."""
    yield from (
        b"1\n2\n10\n",
        b"images/1.png targets/1.png\nimages/a/2.png\ttargets/a/2.png\r\n",
        "\ufeff画\n".encode(),
    )


def class_tables() -> Iterator[bytes]:
    """By position, by ids with and without gaps, by colours."""
    yield from (b"sky\nroad\n", b"0 sky\n1 road\n255 void\n", b"0 sky\n128 road\n255 car\n")
    yield from (b"70 130 180 sky\n128 64 128 road\n0 0 0 void\n", b"sky #4682b4\nroad #804080\n")


def statements() -> Iterator[bytes]:
    """`data.toml` beside pictures, and beside records."""
    yield b"range = [0, 4095]\nbands = [1, 2, 4]\nshow = [3, 2, 1]\n"
    yield b'[titles]\n"9ab08b9d5107c371" = "My street scenes"\n'


def suites() -> Iterator[bytes]:
    """Options as of the command line."""
    yield (
        b'tasks = "night,segmentation"\nmethods = ["supervised", "mt:lambda_mt=0"]\nlabels = ["1/8", 4]\n'
        b'seeds = "0-2"\ntier = "smoke"\nretries = 1\npretrained = false\n'
        b'[set]\nnight.iterations = 4\n"mt.lambda_mt" = 0.5\n'
    )
    yield b'tasks = "night"\nset = ["night.scale=[0.5, 2.0]", "night.optimizer.learning_rate=1e-3"]\nseeds = [1, 2]\n'


def records() -> Iterator[bytes]:
    """Of real runs, shortened; two of one column."""
    for path in sorted(RECORDS.glob("*.json"))[:8:2]:
        record = json.loads(path.read_text())
        record["curves"] = {name: values[:3] for name, values in record["curves"].items()}
        record["per_image"] = {name: values[:2] for name, values in record["per_image"].items()}
        yield json.dumps(record).encode()


def signs() -> Iterator[bytes]:
    """A sign of life, a failure, and a lock."""
    yield (
        b'{"device": "cpu", "host": "h", "iterations": 12, "loss": 0.5, "phase": "training", "pid": 7, "seconds": 1.5, '
        b'"step": 3, "steps_per_second": 2.0}'
    )
    yield b'{"message": "no space left", "worth_retrying": true, "diverged": false}'
    yield b'{"host": "h", "machine": "m", "pid": 7, "start": "5", "token": "ab", "patience": 600.0}'
    yield b'{"hang_seconds": 600.0}'


@cache
def trained() -> tuple[bytes, bytes]:
    """`cell.json` and `weights.pt` of a cell of few steps."""
    from tempfile import TemporaryDirectory

    import torch

    from ssl_bench.plan.plan import Request, make_plan
    from ssl_bench.registry.loading import load_registry
    from ssl_bench.store.results import ResultStore
    from ssl_bench.worker.build import build_method
    from ssl_bench.worker.checkpoint import save_weights

    registry = load_registry()
    settings = [f"segmentation.{field}" for field in ("iterations=1", "crop=16")]
    asked = Request(
        tasks="segmentation", methods="supervised", backbones="unet-small", labels=("1/8",), settings=settings
    )
    (order,) = make_plan(registry, asked).orders
    cell = order.cell
    with TemporaryDirectory() as name, torch.random.fork_rng(devices=[]):
        folder = ResultStore(Path(name)).stage(order)
        save_weights(folder.weights, build_method(cell, registry, cell.classes).state_dict())
        return folder.order.read_bytes(), folder.weights.read_bytes()


def cells() -> Iterator[bytes]:
    """`cell.json`, with few images in its split."""
    cell = json.loads(trained()[0])
    for part in ("labeled", "unlabeled"):
        cell["split"][part] = cell["split"][part][:2]
    yield json.dumps(cell).encode()


def checkpoints() -> Iterator[bytes]:
    """A small state, under its checksum."""
    import torch

    from benchmarks.fuzzing.mutations import sealed

    buffer = io.BytesIO()
    torch.save({"step": 2, "trainer": {"w": torch.ones(2, 3)}, "resumed_at": [1], "cell": "x"}, buffer)
    yield sealed(b"\n" + buffer.getvalue())


def plain_weights() -> Iterator[bytes]:
    """In safetensors, and as torch saves them, new and old."""
    import torch
    from safetensors.torch import save

    state = {"conv_stem.weight": torch.ones(2, 3, 1, 1), "bn1.bias": torch.zeros(2)}
    yield save(state)
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save(state, buffer, _use_new_zipfile_serialization=new)
        yield buffer.getvalue()


def exported() -> Iterator[bytes]:
    """`ssl-bench export --format weights`."""
    import torch
    from safetensors.torch import save

    from ssl_bench.use.export import KEY

    about = {
        "task": "night", "classes": [], "cell": "x",
        "network": {
            "backbone": "unet-small", "in_channels": 3, "out_channels": 3, "residual": True, "stride": 8,
            "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
        },
    }  # fmt: skip
    yield save({"network.x": torch.ones(2)}, {KEY: json.dumps(about)})


def archives() -> Iterator[bytes]:
    """Tar, plain and compressed, and zip."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("a/b.png", "画.txt"):
            info = tarfile.TarInfo(name)
            info.size = 9
            tar.addfile(info, io.BytesIO(b"123456789"))
        link = tarfile.TarInfo("c")
        link.type, link.linkname = tarfile.DIRTYPE, ""
        tar.addfile(link)
    content = buffer.getvalue()
    yield from (
        content[:4096],
        gzip.compress(content, mtime=0),
        bz2.compress(content),
        lzma.compress(content),
    )
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", kind) as file:
            file.writestr(zipfile.ZipInfo("a/b.txt"), b"1234567890" * 3)
            file.writestr(zipfile.ZipInfo("c/"), b"")
        yield packed.getvalue()


Seeds = Callable[[], Iterator[bytes]]
