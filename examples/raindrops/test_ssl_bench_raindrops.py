"""A folder in the layout is recognised, and no scene is torn between training and test."""

from pathlib import Path

import numpy as np
import ssl_bench_raindrops
from PIL import Image

from ssl_bench.testing import contract_tests

test_contract = contract_tests(ssl_bench_raindrops)


def test_a_folder_is_read(tmp_path: Path) -> None:
    for scene in range(5):
        for view in range(2):
            for folder in ("wet", "dry"):
                path = tmp_path / folder / str(scene) / f"{view}_{folder}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                # Of one channel, which targets of every kind may have.
                Image.fromarray(np.full((12, 16), scene, np.uint8)).save(path)
    layout = ssl_bench_raindrops.RaindropsDataset
    assert layout.recognises(tmp_path)
    opened = layout.open(tmp_path)
    assert (len(opened.train), len(opened.test)) == (8, 2)
    assert len({name.partition("/")[0] for name in opened.test}) == 1
    for name in (*opened.train, *opened.test):
        assert opened.check_image(name, with_target=True) == 2
