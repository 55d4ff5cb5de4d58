"""DPT, over vision transformers of any patch size.

Ranftl, Bochkovskiy, Koltun, Vision Transformers for Dense Prediction, ICCV 2021, https://arxiv.org/abs/2103.13413.

The paper brings the tokens of four layers to 4, 2, 1 and 1/2 times their own grid, which for its patches of 16 px makes
strides of 4, 8, 16 and 32. smp's DPT works the factors out from these strides, which patches of 14 px (DINOv2's) cannot
have. For a side that is no power of two its decoder is told 16 here, and so keeps the paper's factors over strides of
3.5, 7, 14 and 28; the logits, at 8/14 of the image's size, are brought to it bilinearly, as in the paper.
"""

from typing import Any

import segmentation_models_pytorch as smp
from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder
from torch import Tensor
from torch.nn import functional as F

NOMINAL = 16
"""The patch side that the paper's factors belong to, px."""


class DPT(smp.DPT):
    """smp's DPT, with a decoder that fits the encoder's patches."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        side = self.encoder.output_stride
        self.fits = side & (side - 1) == 0
        if not self.fits:
            # The coarsest of the four maps has a cell for two patches.
            self.stride = 2 * side
            self.decoder = DPTDecoder(
                encoder_out_channels=self.encoder.out_channels,
                encoder_output_strides=[NOMINAL] * len(self.encoder.out_channels),
                encoder_has_prefix_tokens=self.encoder.has_prefix_tokens,
                readout="cat",
            )
            self.initialize()

    encoding = ("encoder", "decoder.projection_blocks")

    def forward(self, images: Tensor) -> Tensor:
        """Take normalised images (B, in, H, W) to logits (B, out, H, W)."""
        return self.from_features(self.features(images), images)

    def features(self, images: Tensor) -> list[Tensor]:
        """Normalised images to the four layers' tokens as maps of the patches, each with what was read out of the
        tokens that belong to no patch."""
        projections = self.decoder.projection_blocks
        return [project(*tokens) for project, *tokens in zip(projections, *self.encoder(images), strict=True)]

    def from_features(self, features: list[Tensor], images: Tensor) -> Tensor:
        """The four maps to logits of the size of `images`."""
        fused = None
        levels = list(zip(self.decoder.reassemble_blocks, features, strict=True))
        for fuse, (reassemble, level) in zip(self.decoder.fusion_blocks, reversed(levels), strict=True):
            fused = fuse(reassemble(level), fused)
        if self.fits:
            logits: Tensor = self.segmentation_head(fused)
            return logits
        # Without the head's own upsampling, by a factor that is right for 16 px alone.
        logits = self.segmentation_head.head(fused)
        return F.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=True)
