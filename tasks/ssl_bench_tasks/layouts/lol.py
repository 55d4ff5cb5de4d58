"""LOL, version 1: the same scenes in low and in normal light.

Wei, Wang, Yang, Liu: Deep Retinex Decomposition for Low-Light Enhancement. BMVC 2018.
"""

from ssl_bench.folders import Files, FolderDataset


class Lol(FolderDataset):
    """485 pairs for training, 15 for the test; a pair shares its stem."""

    layout = "LOL: our485/{low,high} and eval15/{low,high}"
    targets_are = "picture"
    marks = (("our485", "eval15"),)
    train_files = (Files(images="our485/low", targets=("our485/high",)),)
    test_files = (Files(images="eval15/low", targets=("eval15/high",)),)
