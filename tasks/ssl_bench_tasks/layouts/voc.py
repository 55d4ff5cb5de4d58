"""PASCAL VOC 2012 segmentation, or any set arranged like it.

Everingham, Van Gool, Williams, Winn, Zisserman: The PASCAL Visual Object Classes Challenge 2012.
"""

from ssl_bench.folders import Files, FolderDataset

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *(
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
)


class Voc(FolderDataset):
    """Images and masks named by lists; 21 classes unless classes.txt, here or beside the kit, names others.

    A mask comes from SegmentationClass, or else from SegmentationClassAug. `train_aug.txt` counts only where
    there is no `train.txt`. Listed training images without a mask are unlabelled.
    """

    layout = (
        "PASCAL VOC: JPEGImages, SegmentationClass and ImageSets/Segmentation/{train,val}.txt, "
        "also within VOCdevkit/VOC2012"
    )
    targets_are = "indices"
    marks = (("JPEGImages",),)
    train_files = (Files(images="JPEGImages", targets=("SegmentationClass", "SegmentationClassAug")),)
    train_lists = ("ImageSets/Segmentation/train.txt", "ImageSets/Segmentation/train_aug.txt")
    test_lists = ("ImageSets/Segmentation/val.txt",)
    class_names = CLASSES
    wrappers = ("VOC2012", "VOCdevkit")
