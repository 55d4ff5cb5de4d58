"""The embedded sets with a habit of published protocols: what is trained on is the same picture by picture."""

from pathlib import Path

import numpy as np

from ssl_bench import Dataset
from ssl_bench_tasks.synthetic.denoising import SyntheticDenoising
from ssl_bench_tasks.synthetic.matting import SyntheticMatting
from ssl_bench_tasks.synthetic.night import SyntheticNight
from ssl_bench_tasks.synthetic.segmentation import SyntheticSegmentation

AGAIN = "again-"


class Centre(Dataset):
    """Test images are cut to the middle half of either side before anything is predicted.

    What a set makes of a target, as `unknown` is, is cut with it.
    """

    def image(self, name: str) -> np.ndarray:
        """(H, W, 3) uint8; of a test image (H / 2, W / 2, 3)."""
        return self._cut(name, super().image(name))  # type: ignore[safe-super]

    def target(self, name: str) -> np.ndarray:
        """As `image`."""
        return self._cut(name, super().target(name))  # type: ignore[safe-super]

    def _cut(self, name: str, array: np.ndarray) -> np.ndarray:
        if name not in self.test:
            return array
        height, width = (side // 4 for side in array.shape[:2])
        return array[height:-height, width:-width]


class Overlapping(Dataset):
    """Every training image stands among the unlabelled ones, too: so do those that are labelled.

    A labelled image then comes up among unlabelled rows half as often as another one.
    """

    @classmethod
    def open(cls, path: Path | None) -> "Overlapping":
        """The set in memory, as its base class opens it."""
        opened = super().open(path)
        assert isinstance(opened, cls)
        opened.unlabeled = tuple(AGAIN + name for name in opened.train)
        return opened

    def image(self, name: str) -> np.ndarray:
        """(H, W, 3) uint8."""
        return super().image(name.removeprefix(AGAIN))  # type: ignore[safe-super]


class CentreSegmentation(Centre, SyntheticSegmentation):
    """Objects over clutter."""


class CentreDenoising(Centre, SyntheticDenoising):
    """Pictures with noise."""


class CentreMatting(Centre, SyntheticMatting):
    """Portraits."""


class CentreNight(Centre, SyntheticNight):
    """Darkened pictures."""


class OverlappingSegmentation(Overlapping, SyntheticSegmentation):
    """Objects over clutter."""


class OverlappingDenoising(Overlapping, SyntheticDenoising):
    """Pictures with noise."""


class OverlappingMatting(Overlapping, SyntheticMatting):
    """Portraits."""


class OverlappingNight(Overlapping, SyntheticNight):
    """Darkened pictures."""
