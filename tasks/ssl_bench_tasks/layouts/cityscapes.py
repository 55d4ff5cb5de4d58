"""Cityscapes, or any set arranged like it.

Cordts, Omran, Ramos, Rehfeld, Enzweiler, Benenson, Franke, Roth, Schiele: The Cityscapes Dataset for Semantic Urban
Scene Understanding. CVPR 2016.
"""

from pathlib import PurePosixPath

from ssl_bench import Files, FolderDataset

CLASSES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
_IMAGE = "_leftImg8bit"
_MASK = "_gtFine_labelTrainIds"


def _image(path: PurePosixPath) -> str:
    return str(path).removesuffix(_IMAGE)


def _mask(path: PurePosixPath) -> str | None:
    return str(path).removesuffix(_MASK) if path.name.endswith(_MASK) else None


def _part(name: str) -> Files:
    return Files(
        images=f"leftImg8bit/{name}",
        targets=(f"gtFine/{name}",),
        nested=True,
        image_id=_image,
        target_id=_mask,
    )


class Cityscapes(FolderDataset):
    """19 classes, 255 void; the test set is `val`, because the masks of `test` are not public.

    `train_extra`, where it is there, is unlabelled. Masks must be those of training ids, which the set's own scripts
    make (`createTrainIdLabelImgs`).
    """

    layout = (
        "Cityscapes: leftImg8bit/{train,val}/<city>/*_leftImg8bit.png and "
        "gtFine/{train,val}/<city>/*_gtFine_labelTrainIds.png"
    )
    targets_are = "indices"
    marks = (("leftImg8bit/train", "gtFine/train"),)
    train_files = (_part("train"), Files(images="leftImg8bit/train_extra", nested=True, image_id=_image))
    test_files = (_part("val"),)
    class_names = CLASSES
