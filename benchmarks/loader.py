"""Loading training crops: the batch stream against the straightforward Pillow and torchvision loader.

Both rescale a 500 x 375 JPEG by 0.5 to 2, cut 321 x 321, and flip. The straightforward one resizes the whole picture,
crops, and makes normalised floats on the CPU; the stream resizes only what the crop shows, as bytes, of which the
device makes floats.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tv

from benchmarks.measure import interleaved, table
from ssl_bench.backbone import IMAGENET
from ssl_bench.data.cache import ArrayCache
from ssl_bench.data.splits import make_split
from ssl_bench.dataset import GuardedDataset
from ssl_bench.machine.heap import keep_heap
from ssl_bench.recipe import Recipe
from ssl_bench.train.batches import BatchStream, Window
from ssl_bench.train.prefetch import Prefetcher
from ssl_bench_tasks.layouts.pairs import SegmentationPairs

TITLE = "Loading"
CPU = torch.device("cpu")
IMAGES, ROWS = 64, 16
RECIPE = Recipe(iterations=10**6, labeled_rows=ROWS, crop=321, scale=(0.5, 2.0))
SECONDS = 4.0


def run() -> str:
    """Images per second."""
    torch.set_num_threads(1)
    keep_heap()  # As workers do; both loaders gain.
    with _folder() as folder:
        dataset = SegmentationPairs.open(folder)
        decoding, cached = _stream(folder, cache=ArrayCache(0)), _stream(folder, cache=ArrayCache())
        files = [folder / "input" / f"{name}.jpg" for name in dataset.train]
        rng, steps = np.random.default_rng(0), count()
        times = interleaved(
            {
                "straightforward": lambda: [
                    _straightforward(files[i % len(files)], rng) for i in range(ROWS)
                ],
                "stream, decoding": lambda: decoding.load(next(steps)),
                "stream, decoded images kept": lambda: cached.load(next(steps)),
            },
            seconds=20,
            rounds=15,
        )
        rates = {name: ROWS / seconds for name, seconds in times.items()}
        ahead = {workers: _rate_ahead(folder, workers) for workers in (1, 2)}
    first = rates["straightforward"]
    rows = [[name, f"{rate:.0f}", f"{rate / first:.1f}"] for name, rate in rates.items()]
    one_core = table(["CPU time of one core", "images per second", "times the straightforward"], rows)
    rows = [[str(workers), f"{rate:.0f}", f"{rate / ahead[1]:.2f}"] for workers, rate in ahead.items()]
    threads = table(["loader threads, wall time", "images per second", "times one"], rows)
    return (
        f"{one_core}\n{threads}\nCutting 256 x 256 px out of a decoded picture of 4000 x 3000: {_cut():.3f} ms.\n\n"
        f"Image and mask of {IMAGES} JPEG and PNG files of 500 x 375 px, {ROWS} rows a batch. The loader threads\n"
        "decode every image.\n"
    )


def _straightforward(path: Path, rng: np.random.Generator) -> torch.Tensor:
    """Image and mask as most training code loads them; the normalised image."""
    mask = Image.open(path.parent.parent / "target" / f"{path.stem}.png")
    image = Image.open(path).convert("RGB")
    scale = float(np.exp(rng.uniform(*np.log(RECIPE.scale))))
    size = [round(375 * scale), round(500 * scale)]
    image, mask = tv.resize(image, size), tv.resize(mask, size, tv.InterpolationMode.NEAREST)
    side = RECIPE.crop
    below, beside = max(0, side - size[0]), max(0, side - size[1])
    image, mask = (tv.pad(each, [0, 0, beside, below], fill) for each, fill in ((image, 0), (mask, 255)))
    top = int(rng.integers(size[0] + below - side + 1))
    left = int(rng.integers(size[1] + beside - side + 1))
    image, mask = (tv.crop(each, top, left, side, side) for each in (image, mask))
    if rng.integers(2):
        image, mask = tv.horizontal_flip(image), tv.horizontal_flip(mask)
    torch.from_numpy(np.array(mask)).long()
    return tv.normalize(tv.to_dtype(tv.pil_to_tensor(image), torch.float32, scale=True), *IMAGENET)


@contextmanager
def _folder() -> Iterator[Path]:
    """Pictures with the detail of photographs, which is what decoding costs."""
    with tempfile.TemporaryDirectory() as name:
        rng = np.random.default_rng(0)
        for kind in ("input", "target"):
            (Path(name) / kind).mkdir()
        for index in range(IMAGES):
            coarse = Image.fromarray(rng.integers(0, 256, (38, 50, 3), dtype=np.uint8)).resize((500, 375))
            noisy = np.asarray(coarse) + rng.normal(0, 8, (375, 500, 3))
            picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
            picture.save(Path(name) / "input" / f"{index}.jpg", quality=90)
            mask = Image.fromarray(rng.integers(0, 21, (12, 16), dtype=np.uint8)).resize((500, 375), 0)
            mask.save(Path(name) / "target" / f"{index}.png")
        yield Path(name)


def _stream(folder: Path, cache: ArrayCache) -> BatchStream:
    dataset = SegmentationPairs.open(folder)
    dataset._cache = cache
    split = make_split(dataset, "all", 0, task="segmentation")
    data = GuardedDataset(dataset, split.labeled)
    return BatchStream(data, split, RECIPE, "classification", seed=0, uses_unlabeled=False, device=CPU)


def _rate_ahead(folder: Path, workers: int) -> float:
    prefetcher = Prefetcher(_stream(folder, ArrayCache(0)), RECIPE.iterations, workers)
    steps = count()
    for _ in range(2 * workers + 1):  # What is made ahead at the start is not counted.
        prefetcher.batch(next(steps))
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        prefetcher.batch(next(steps))
        done += 1
    elapsed = time.perf_counter() - start
    prefetcher.close()
    return done * ROWS / elapsed


def _cut() -> float:
    """ms."""
    picture = np.zeros((3000, 4000, 3), np.uint8)
    recipe = Recipe(iterations=1, crop=256)
    windows = cycle(Window(recipe, 3000, 4000, np.random.default_rng(seed)) for seed in range(100))
    return 1e3 * interleaved({"cut": lambda: next(windows).cut_image(picture)}, seconds=2, rounds=500)["cut"]
