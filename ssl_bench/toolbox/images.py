"""Image functions: pure, batched, on the device of their input, without a host round trip.

Images are (B, C, H, W), float32 or float64. A Gaussian is separable, and each 1-D pass with its border is a
banded matrix, so a blur is A_H X A_W^T: two matrix products, however wide the kernel.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

FLAT = 1e-6
"""A map whose range is at most this share of max(1, maximum) is flat."""

_BLOCK = 32
"""Rows of a block of a banded matrix, px: of 16 to 128, within noise of the fastest on one CPU, sides 128 to 512."""


@dataclass(frozen=True)
class _Blur:
    """A 1-D blur of n pixels as an (n, n) matrix, and cut into row blocks free of most of its zeros."""

    matrix: Tensor
    blocks: tuple[tuple[int, int, Tensor], ...]
    """Of each block of rows, the first column that is not zero in it, the number of them, and the entries."""


def odd_size(length: int, divisor: int) -> int:
    """Kernel size `length / divisor`: rounded down, one more where even; at least 1."""
    return length // divisor | 1


def gaussian_blur(images: Tensor, kernel_size: tuple[int, int]) -> Tensor:
    """Blur each channel with a Gaussian of odd `kernel_size` (height, width); shape and type are kept.

    The rules are those of OpenCV's `GaussianBlur` with both sigmas given: sigma = 0.3 ((k - 1) / 2 - 1) + 0.8,
    weights cut at the kernel and normalised to sum 1, border reflect-101 (the edge pixel is not repeated).
    Differentiable; full precision under autocast too.
    """
    (batch, channels, height, width), (rows, columns) = images.shape, kernel_size
    if min(rows, columns) < 1 or rows % 2 == 0 or columns % 2 == 0:
        raise ValueError(f"a kernel size is odd and at least 1, not {kernel_size}")
    # With H outermost in memory the left product is one large matrix product, and so is the right one, without
    # a transpose between them; the result is returned in that layout, so a blur that follows finds it so.
    blurred = images.permute(2, 0, 1, 3).contiguous().view(height, -1)
    with torch.autocast(images.device.type, enabled=False):
        if rows > 1:
            blurred = _multiply(_blur(height, rows, images.dtype, images.device), blurred)
        blurred = blurred.view(-1, width)
        if columns > 1:
            blurred = _multiply(_blur(width, columns, images.dtype, images.device), blurred, right=True)
    return blurred.view(height, batch, channels, width).permute(1, 2, 0, 3)


def dilate(images: Tensor) -> Tensor:
    """The maximum over each pixel's 3 x 3 neighbourhood inside the image; shape, type and layout are kept."""
    # Elementwise maxima of shifted views are vectorised; max_pool2d is scalar on the CPU.
    for dim in (2, 3):
        length = images.shape[dim]
        if length == 1:
            continue
        pairs = torch.maximum(images.narrow(dim, 0, length - 1), images.narrow(dim, 1, length - 1))
        images = torch.empty_like(images)
        images.narrow(dim, 0, 1).copy_(pairs.narrow(dim, 0, 1))
        images.narrow(dim, length - 1, 1).copy_(pairs.narrow(dim, length - 2, 1))
        inner = images.narrow(dim, 1, length - 2)
        torch.maximum(pairs.narrow(dim, 0, length - 2), pairs.narrow(dim, 1, length - 2), out=inner)
    return images


def minmax(images: Tensor) -> Tensor:
    """Each image shifted and scaled to [0, 1] over its pixels and channels; all zeros where it is flat."""
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    spread = high - low
    # Division by infinity gives the zeros without a branch on data.
    spread = spread.masked_fill(spread <= FLAT * high.clamp_min(1.0), torch.inf)
    return (images - low).div_(spread)


def rotate(images: Tensor, quarter_turns: int) -> Tensor:
    """(..., H, W) turned counter-clockwise by multiples of 90 degrees; H and W change places where it is odd."""
    return torch.rot90(images, quarter_turns, (-2, -1))


def _multiply(blur: _Blur, images: Tensor, right: bool = False) -> Tensor:
    """A X, or X A^T, for 2-D X."""
    if images.device.type != "cpu" or (images.requires_grad and torch.is_grad_enabled()):
        # One launch beats fewer operations on a GPU, and products into slices have no gradient.
        return images @ blur.matrix.T if right else blur.matrix @ images
    product = torch.empty_like(images)
    dim = int(right)
    for rows, (start, length, entries) in zip(product.split(_BLOCK, dim), blur.blocks, strict=True):
        columns = images.narrow(dim, start, length)
        if right:
            torch.mm(columns, entries.T, out=rows)
        else:
            torch.mm(entries, columns, out=rows)
    return product


@lru_cache(maxsize=64)
def _blur(length: int, size: int, dtype: torch.dtype, device: torch.device) -> _Blur:
    """The blur of `length` pixels by a kernel of `size`, built in float64."""
    radius = size // 2
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    # A tensor made in inference mode could not be used for a gradient later.
    with torch.inference_mode(False):
        offsets = torch.arange(-radius, radius + 1)
        weights = torch.exp(-(offsets.double() ** 2) / (2 * sigma**2))
        # Reflection that leaves the edge out has the period 2 (n - 1), also where a kernel is wider than that.
        period = max(2 * (length - 1), 1)
        source = (torch.arange(length)[:, None] + offsets).remainder(period)
        source = torch.where(source < length, source, period - source)
        exact = torch.zeros(length, length, dtype=torch.float64)
        exact.scatter_add_(1, source, (weights / weights.sum()).expand(length, size))
        matrix = exact.to(dtype).to(device)
        blocks = []
        for start in range(0, length if matrix.device.type == "cpu" else 0, _BLOCK):
            stop = min(start + _BLOCK, length)
            first, last = max(start - radius, 0), min(stop + radius, length)
            blocks.append((first, last - first, matrix[start:stop, first:last].contiguous()))
        return _Blur(matrix, tuple(blocks))
