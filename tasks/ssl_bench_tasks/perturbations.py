"""Changes of an image that leave a dense label as it is: of colour, focus and noise, never of geometry.

Each row of a batch has its own draw. All numbers are drawn on the CPU, so that a draw is the same on every
device; the arithmetic is done where the images are, without waiting for the device.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ssl_bench import Draws, Strength
from ssl_bench.toolbox import on_device

Perturbation = Callable[[Tensor, Draws], Tensor]
Range = tuple[float, float]

LUMA = torch.tensor([0.299, 0.587, 0.114])
GREY_AXIS = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
"""The cross product with (1, 1, 1) / sqrt(3), as a matrix."""
RGB_CHANNELS = 3
UNBLURRED = 0.1
"""Sigma in px at which a sampled Gaussian is the unit impulse."""
SHARP = 0.5
"""Share of rows left sharp where others are blurred."""
READ_NOISE = 0.25
"""Share of a sensor's noise variance at full brightness that is there in the dark too."""


def perturb(
    by_strength: Mapping[Strength, Perturbation], images: Tensor, draws: Draws, strength: Strength
) -> Tensor:
    """Images (B, C, H, W) in [0, 1] changed as `by_strength` says; the images themselves for `none`."""
    if strength == "none":
        return images
    # Autocast would round the images themselves to bfloat16.
    with torch.autocast(images.device.type, enabled=False):
        return by_strength[strength](images, draws).clamp(0, 1)


@dataclass(frozen=True)
class Photometric:
    """Other light, another camera's colours, a little noise, and perhaps another focus.

    Hue, saturation and grey are of red, green and blue. Images of any other number of channels have each channel
    multiplied by a gain of its own instead, as a sensor's bands differ from the next one's.
    """

    jitter: float
    """Brightness, contrast and saturation are multiplied by 1 - jitter to 1 + jitter."""
    hue: float
    """Turn of the colours about the grey axis, -hue to +hue, radians."""
    noise: Range
    """Standard deviation, in units of the full range."""
    blur: float = 0.0
    """Largest sigma, px."""
    gray: float = 0.0
    """Share of rows that lose their colour."""

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """(B, C, H, W) to the same, not clamped."""
        if images.shape[1] != RGB_CHANNELS:
            return self._other_bands(images, draws)
        factor = (1 - self.jitter, 1 + self.jitter)
        ranges = (
            factor,
            factor,
            factor,
            (-self.hue, self.hue),
            (0, 1),
            (0, 1),
            (UNBLURRED, self.blur),
            self.noise,
        )
        drawn = _uniform(images, draws, *ranges)
        brightness, contrast, saturation, hue, gray, sharp, sigma, level = drawn
        saturation = torch.where(gray < self.gray, 0.0, saturation)
        changed = color_jitter(images, brightness, contrast, saturation, hue)
        if self.blur:
            changed = blur(changed, torch.where(sharp < SHARP, UNBLURRED, sigma), self.blur)
        return changed + level * _noise(images, draws)

    def _other_bands(self, images: Tensor, draws: Draws) -> Tensor:
        """Brightness and contrast of the image, a gain of each channel, focus and noise."""
        factor, channels = (1 - self.jitter, 1 + self.jitter), images.shape[1]
        ranges = (factor, factor, (0, 1), (UNBLURRED, self.blur), self.noise, *[factor] * channels)
        brightness, contrast, sharp, sigma, level, *gains = _uniform(images, draws, *ranges)
        # One channel has no colour: its brightness is all there is.
        gain = torch.cat(gains, 1) if channels > 1 else torch.ones_like(brightness)
        mean = images.mean((1, 2, 3), keepdim=True)
        changed = brightness * gain * (contrast * images + (1 - contrast) * mean)
        if self.blur:
            changed = blur(changed, torch.where(sharp < SHARP, UNBLURRED, sigma), self.blur)
        return changed + level * _noise(images, draws)


@dataclass(frozen=True)
class SensorNoise:
    """Further noise as a sensor has it, of zero mean and stronger in the light."""

    level: Range
    """Standard deviation at full brightness."""

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """(B, C, H, W) to the same, not clamped."""
        (level,) = _uniform(images, draws, self.level)
        deviation = level * (READ_NOISE + (1 - READ_NOISE) * images).sqrt()
        return images + deviation * _noise(images, draws)


@dataclass(frozen=True)
class Exposure:
    """A darker or brighter shot of the same scene: x -> gain * x^gamma, and the noise of a dark shot."""

    stops: float
    """Of light, -stops to +stops, in images written with a gamma of 2.2."""
    gamma: float
    """The exponent is exp(-gamma) to exp(+gamma)."""
    noise: Range
    """Standard deviation at full brightness."""

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """(B, C, H, W) to the same, not clamped."""
        stops, log_gamma = _uniform(images, draws, (-self.stops, self.stops), (-self.gamma, self.gamma))
        exposed = ((stops / 2.2).exp2() * images.pow(log_gamma.exp())).clamp(0, 1)
        return SensorNoise(self.noise)(exposed, draws)


def color_jitter(
    images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor
) -> Tensor:
    """Contrast about the image's mean luma, saturation about each pixel's, hue as a turn about the grey axis.

    Images (B, 3, H, W); factors, and the angle in radians, (B, 1, 1, 1). All of it is one 3 x 3 matrix and an
    offset per row.
    """
    luma, axis = _moved(LUMA, images), _moved(GREY_AXIS, images)
    unit = torch.eye(3, dtype=images.dtype, device=images.device)
    brightness, contrast, saturation, hue = (
        x.view(-1, 1, 1) for x in (brightness, contrast, saturation, hue)
    )
    # Rodrigues' formula.
    rotation = hue.cos() * unit + (1 - hue.cos()) / 3 + hue.sin() * axis
    matrix = brightness * contrast * ((saturation * unit + (1 - saturation) * luma) @ rotation)
    pixels = images.flatten(2)
    mean = (pixels.mean(2, keepdim=True) * luma.view(1, 3, 1)).sum(1, keepdim=True)
    return torch.baddbmm(brightness * (1 - contrast) * mean, matrix, pixels).view_as(images)


def blur(images: Tensor, sigma: Tensor, largest: float) -> Tensor:
    """Gaussian blur of (B, C, H, W), sigma (B, 1, 1, 1) in px, up to `largest`; edges repeated."""
    rows, channels = images.shape[:2]
    radius = math.ceil(3 * largest)
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-0.5 * (offsets / sigma.view(-1, 1)) ** 2)
    weights = (weights / weights.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    # Every channel of every row as a group of its own: one convolution for the whole batch.
    planes = F.pad(images.view(1, rows * channels, *images.shape[2:]), (radius,) * 4, mode="replicate")
    planes = F.conv2d(planes, weights[:, None, :, None], groups=rows * channels)
    return F.conv2d(planes, weights[:, None, None, :], groups=rows * channels).view_as(images)


def _uniform(images: Tensor, draws: Draws, *ranges: Range) -> list[Tensor]:
    """One uniform draw per row and range, (B, 1, 1, 1) each, where the images are."""
    low, high = torch.tensor(ranges).unbind(1)
    drawn = low + (high - low) * draws.rand(len(images), len(ranges))
    return [column.view(-1, 1, 1, 1) for column in _moved(drawn, images).unbind(1)]


def _noise(images: Tensor, draws: Draws) -> Tensor:
    """Standard normal, in the shape of the images."""
    return _moved(draws.randn(*images.shape), images)


def _moved(drawn: Tensor, images: Tensor) -> Tensor:
    """To the device and type of the images."""
    return on_device(drawn.to(images.dtype), images.device)
