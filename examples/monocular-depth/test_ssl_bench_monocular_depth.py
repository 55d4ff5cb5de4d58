"""What the task promises, scores worked out by hand, and scenes in which depth means something."""

import numpy as np
import pytest
import ssl_bench_monocular_depth
import torch

from ssl_bench import Target
from ssl_bench.testing import contract_tests

test_contract = contract_tests(ssl_bench_monocular_depth)


def test_scores_by_hand() -> None:
    true = torch.tensor([[[[0.1, 0.2], [0.4, 0.5]]]])  # 2, 4, 8 and 10 m
    found = torch.tensor([[[[0.1, 0.3], [0.4, 0.9]]]])
    valid = torch.tensor([[[[True, True], [True, False]]]])
    scores = ssl_bench_monocular_depth.DepthScores()
    scores.update(found, Target(true, valid))
    expected = {"abs_rel": 0.5 / 3, "rmse": (4 / 3) ** 0.5, "delta1": 200 / 3}
    assert scores.compute() == pytest.approx(expected)


def test_the_floor_comes_nearer_row_by_row() -> None:
    image, depth = ssl_bench_monocular_depth.draw("train-000")
    assert (image.shape, image.dtype) == ((72, 96, 3), np.uint8)
    assert (depth.shape, depth.dtype) == ((72, 96, 1), np.uint16)
    assert depth[0].min() == 65535
    assert (np.median(depth[40:, :, 0], 1)[:-1] >= np.median(depth[40:, :, 0], 1)[1:]).all()
    assert depth[-1].max() < 65535 * 5 / 20
