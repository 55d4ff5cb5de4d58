"""Time-dependent quantities as functions of the step."""

import math

from ssl_bench.recipe import OptimizerSettings


def ramp_up(step: int, length: float) -> float:
    """r(t) = exp(-5 (1 - min(t, t0) / t0)^2), t0 = `length` in iterations; 1 where the length is 0.

    Source: Laine and Aila, Temporal Ensembling, ICLR 2017; used by MT and GCT.
    """
    if length <= 0:
        return 1.0
    return math.exp(-5.0 * (1.0 - min(step, length) / length) ** 2)


def learning_rate_factor(settings: OptimizerSettings, step: int, iterations: int) -> float:
    """Learning rate at a step over the one at step 0, in (0, 1]."""
    done = step / iterations
    if settings.schedule == "polynomial":
        return (1.0 - done) ** settings.power
    if settings.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    return 1.0
