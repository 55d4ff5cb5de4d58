"""What the method promises, and that the weight of its consistency ramps up."""

import pi_model
import pytest
import torch

from ssl_bench import Draws, Progress
from ssl_bench.testing import ToyStream, build_toy, contract_tests

test_contract = contract_tests(pi_model)


def test_consistency_ramps_up() -> None:
    (spec,) = pi_model.provide_methods()
    method, batch = build_toy(spec, "regression"), ToyStream("regression").batch(0)

    def consistency(step: int) -> float:
        progress = Progress(step, 100, 10.0, Draws(torch.Generator().manual_seed(0)))
        (losses,) = method.losses(batch, progress)
        return losses["model"]["consistency"].item()

    # The ramp is exp(-5 (1 - t)^2) over 5 epochs of 10 steps.
    assert consistency(0) / consistency(50) == pytest.approx(torch.tensor(-5.0).exp().item(), rel=1e-4)
    assert consistency(50) == consistency(90)
