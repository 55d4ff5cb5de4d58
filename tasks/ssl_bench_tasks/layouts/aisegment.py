"""AISegment.com matting: half-length portraits; the matte is the alpha channel of the person cut out.

Beijing Play Star Convergence Technology: AISegment.com matting human datasets (2019).
"""

import re
from pathlib import Path, PurePosixPath

import numpy as np

from ssl_bench import Files, FolderDataset, read_opacity

_FOLDER = re.compile(r"(clip|matting)_(?P<number>\d+)")


def _portrait(path: PurePosixPath) -> str:
    """`1803151818/00000000/1803151818-00000003` for both of a pair."""
    return "/".join(_FOLDER.sub(r"\g<number>", part) for part in path.parts)


class AiSegment(FolderDataset):
    """34,427 portraits in numbered folders, of which a fifth, whole ones, is held out."""

    layout = "AISegment: clip_img/<day>/clip_<n>/<name>.jpg and matting/<day>/matting_<n>/<name>.png"
    targets_are = "alpha"
    marks = (("clip_img", "matting"),)
    train_files = (
        Files(images="clip_img", targets=("matting",), nested=True, image_id=_portrait, target_id=_portrait),
    )
    holds_out = True

    @classmethod
    def group(cls, name: str) -> str:
        """The folder of an image, which is never torn apart."""
        return name.rpartition("/")[0]

    def decode_target(self, data: bytes, path: Path) -> np.ndarray:
        """(H, W, 1) uint8: the fourth channel, be the colours equal or not."""
        return read_opacity(data, path)
