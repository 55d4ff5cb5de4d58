"""AIM-500: photographs of many things and their mattes.

Li, Zhang, Tao: Deep Automatic Natural Image Matting. IJCAI 2021.
"""

from ssl_bench import Files, FolderDataset


class Aim(FolderDataset):
    """500 images with trimaps, of which a fifth is held out."""

    layout = "AIM-500: {original,mask}, with trimap and usr or without"
    targets_are = "alpha"
    marks = (("original", "mask"),)
    train_files = (Files(images="original", targets=("mask",), unknown="trimap"),)
    holds_out = True
