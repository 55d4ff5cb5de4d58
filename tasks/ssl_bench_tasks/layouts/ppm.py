"""PPM-100: portraits and their mattes.

Ke, Sun, Li, Yan, Lau: MODNet: Real-Time Trimap-Free Portrait Matting via Objective Decomposition. AAAI 2022.
"""

from ssl_bench import Files, FolderDataset


class Ppm(FolderDataset):
    """100 pairs, of which a fifth is held out unless the folders say what is what."""

    layout = "PPM-100: {image,matte}, or {train,val}/{fg,alpha}"
    targets_are = "alpha"
    marks = (("image", "matte"), ("train/fg", "train/alpha"))
    train_files = (
        Files(images="image", targets=("matte",)),
        Files(images="train/fg", targets=("train/alpha",)),
    )
    test_files = (Files(images="test/fg", targets=("test/alpha",)),)
    validation_files = (Files(images="val/fg", targets=("val/alpha",)),)
    holds_out = True
