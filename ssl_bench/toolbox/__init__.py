"""Small pure functions that methods share: `from ssl_bench.toolbox import ramp_up`."""

from ssl_bench.toolbox.ema import decay_at, update_average
from ssl_bench.toolbox.features import add_noise, complementary_masks, drop_channels, drop_strongest
from ssl_bench.toolbox.gates import (
    confidence,
    distance,
    passing,
    rising,
    row_mean,
    row_overlap,
    smallest,
    spread,
)
from ssl_bench.toolbox.images import dilate, gaussian_blur, minmax, odd_size, rotate
from ssl_bench.toolbox.layers import SameConv2d, draws_at_random
from ssl_bench.toolbox.mixing import BoxLaw, boxes_or_none, draw_boxes, mix, partners
from ssl_bench.toolbox.schedules import learning_rate_factor, ramp_up
from ssl_bench.toolbox.targets import Form, gated, pseudo_error, squared_error
from ssl_bench.toolbox.teachers import evaluating, frozen_copy, keep_running_statistics, snapshots_taken
from ssl_bench.toolbox.transfer import on_device

__all__ = [
    "BoxLaw",
    "Form",
    "SameConv2d",
    "add_noise",
    "boxes_or_none",
    "complementary_masks",
    "confidence",
    "decay_at",
    "dilate",
    "distance",
    "draw_boxes",
    "draws_at_random",
    "drop_channels",
    "drop_strongest",
    "evaluating",
    "frozen_copy",
    "gated",
    "gaussian_blur",
    "keep_running_statistics",
    "learning_rate_factor",
    "minmax",
    "mix",
    "odd_size",
    "on_device",
    "partners",
    "passing",
    "pseudo_error",
    "ramp_up",
    "rising",
    "rotate",
    "row_mean",
    "row_overlap",
    "smallest",
    "snapshots_taken",
    "spread",
    "squared_error",
    "update_average",
]
