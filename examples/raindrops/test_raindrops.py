"""A folder in the layout is recognised, and no scene is torn between training and test."""

from pathlib import Path

import numpy as np
import raindrops
from PIL import Image

from ssl_bench import survey
from ssl_bench.testing import contract_tests

test_contract = contract_tests(raindrops)


def test_a_folder_is_read(tmp_path: Path) -> None:
    for scene in range(5):
        for view in range(2):
            for folder in ("wet", "dry"):
                path = tmp_path / folder / str(scene) / f"{view}_{folder}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((12, 16, 3), 40 * scene, np.uint8)).save(path)
    assert raindrops.Raindrops.recognises(tmp_path)
    opened = raindrops.Raindrops.open(tmp_path)
    assert (len(opened.train), len(opened.test)) == (8, 2)
    assert len({name.partition("/")[0] for name in opened.test}) == 1
    assert survey(opened, "regression").errors == []
