"""Pipeline C against the dense k x k convolution, separable convolutions, kornia, torchvision and OpenCV."""

import importlib
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.measure import absent, interleaved, peak_memory, table
from ssl_bench.machine.heap import keep_heap
from ssl_bench.toolbox.images import odd_size
from ssl_bench_plugins.methods.pipeline_c import flaw_target

TITLE = "Pipeline C"
SIZES = ((128, 8), (256, 8), (321, 8), (512, 4))
REPEATS = (1, 5, 10)
Blur = Callable[[Tensor, int], Tensor]
Dilate = Callable[[Tensor], Tensor]


def sigma(size: int) -> float:
    """OpenCV's rule."""
    return 0.3 * ((size - 1) * 0.5 - 1) + 0.8


def weights(size: int) -> Tensor:
    """(size,) of sum 1."""
    offsets = torch.arange(size) - size // 2
    kernel = torch.exp(-(offsets**2) / (2 * sigma(size) ** 2))
    return kernel / kernel.sum()


def dense_blur(images: Tensor, size: int) -> Tensor:
    """One convolution with the k x k kernel, as published GCT code blurs."""
    line = weights(size).to(images.device)
    kernel = torch.outer(line, line)[None, None]
    return F.conv2d(F.pad(images, (size // 2,) * 4, mode="reflect"), kernel)


def separable_blur(images: Tensor, size: int) -> Tensor:
    """Two convolutions with 1-D kernels."""
    kernel, margin = weights(size).to(images.device)[None, None], size // 2
    rows = F.conv2d(F.pad(images, (0, 0, margin, margin), mode="reflect"), kernel[..., None])
    return F.conv2d(F.pad(rows, (margin, margin, 0, 0), mode="reflect"), kernel[:, :, None])


def max_pool(images: Tensor) -> Tensor:
    """3 x 3 dilation."""
    return F.max_pool2d(images, 3, stride=1, padding=1)


def with_parts(blur: Blur, dilate: Dilate) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Algorithm 1 with a peer's blur and dilation, for square images."""

    def normalize(flaws: Tensor) -> Tensor:
        low, high = flaws.amin((1, 2, 3), keepdim=True), flaws.amax((1, 2, 3), keepdim=True)
        return (flaws - low) / (high - low)

    def pipeline(prediction: Tensor, target: Tensor, nu: int) -> Tensor:
        side = prediction.shape[-1]
        flaws = normalize((prediction - target).abs().mean(1, keepdim=True))
        flaws = blur(flaws, odd_size(side, 8))
        for _ in range(nu):
            flaws = blur(dilate(flaws), odd_size(side, 4))
        return normalize(flaws)

    return pipeline


def with_kornia() -> Callable[[Tensor, Tensor, int], Tensor]:
    """Kornia's separable blur, and its dilation."""
    from kornia.filters import gaussian_blur2d
    from kornia.morphology import dilation

    return with_parts(
        lambda images, size: gaussian_blur2d(images, (size, size), (sigma(size), sigma(size)), "reflect"),
        lambda images: dilation(images, torch.ones(3, 3, device=images.device)),
    )


def with_torchvision() -> Callable[[Tensor, Tensor, int], Tensor]:
    """Torchvision's blur; it has no dilation."""
    functional = importlib.import_module("torchvision.transforms.v2.functional")

    def blur(images: Tensor, size: int) -> Tensor:
        blurred: Tensor = functional.gaussian_blur(images, [size, size], [sigma(size), sigma(size)])
        return blurred

    return with_parts(blur, max_pool)


def with_opencv() -> Callable[[Tensor, Tensor, int], Tensor]:
    """OpenCV, an image at a time."""
    import cv2

    cv2.setNumThreads(1)
    square = np.ones((3, 3), np.uint8)

    def blur(flaws: np.ndarray, divisor: int) -> np.ndarray:
        size = odd_size(len(flaws), divisor)
        return cv2.GaussianBlur(flaws, (size, size), sigma(size), sigmaY=sigma(size))

    def pipeline(prediction: Tensor, target: Tensor, nu: int) -> Tensor:
        maps = []
        for one, other in zip(prediction.numpy(), target.numpy(), strict=True):
            flaws = blur(np.abs(one - other).mean(0), 8)
            for _ in range(nu):
                flaws = blur(cv2.dilate(flaws, square), 4)
            maps.append((flaws - flaws.min()) / (flaws.max() - flaws.min()))
        return torch.from_numpy(np.stack(maps)[:, None])

    return pipeline


def run() -> str:
    """Tables of times, ratios, errors and memory."""
    torch.set_num_threads(1)
    keep_heap()  # As workers do; all variants gain.
    peers = {"dense": with_parts(dense_blur, max_pool), "separable": with_parts(separable_blur, max_pool)}
    for name, module, make in (
        ("kornia", "kornia", with_kornia),
        ("torchvision", "torchvision", with_torchvision),
        ("OpenCV", "cv2", with_opencv),
    ):
        if not absent(module):
            peers[name] = make()
    head = ["side, batch, nu", "ours, ms", *(f"{name}, ms" for name in peers)]
    times_rows, ratio_rows, memory_rows = [], [], []
    for side, batch in SIZES:
        for nu in REPEATS:
            generator = torch.Generator().manual_seed(0)
            prediction, target = (torch.rand(batch, 1, side, side, generator=generator) for _ in range(2))
            ours = partial(flaw_target, prediction, target, mu=1.0, nu=nu)
            calls: dict[str, Callable[[], object]] = {"ours": ours}
            calls |= {name: partial(pipeline, prediction, target, nu) for name, pipeline in peers.items()}
            with torch.no_grad():
                times = interleaved(calls, seconds=3.0, rounds=40)
                memory = [peak_memory(call) for call in calls.values()]
            exact = flaw_target(prediction.double(), target.double(), mu=1.0, nu=nu)
            error = (ours() - exact).abs().max().item()
            label = f"{side}, {batch}, {nu}"
            times_rows.append([label, *(f"{1e3 * times[name]:.2f}" for name in calls)])
            ratio_rows.append(
                [label, *(f"{times[name] / times['ours']:.1f}" for name in peers), f"{error:.0e}"]
            )
            memory_rows.append([label, *("-" if value is None else f"{value:.0f}" for value in memory)])
            print(" | ".join(times_rows[-1]), flush=True)
    ratios = table(["side, batch, nu", *peers, "error in float32"], ratio_rows)
    peaks = table(["side, batch, nu", *calls], memory_rows)
    return (
        f"{table(head, times_rows)}\nTimes of the peers over ours, and our largest error against float64:\n\n{ratios}\n"
        f"Memory that one call adds at its peak, MB:\n\n{peaks}\n"
        "float32 noise of one channel. `dense`: one k x k convolution per blur, the form of published GCT code,\n"
        "written anew; `separable`: two 1-D convolutions; torchvision has no dilation and borrows max pooling.\n"
        "Up to 40 calls each, fewer for the slow: 3 s in all, so that a call of more than 3 s was made once.\n"
    )
