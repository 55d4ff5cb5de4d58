"""Published numbers. Semi-supervised segmentation: the results of the public code of Guided Collaborative Training."""

from ssl_bench import ClaimSpec

SOURCE = (
    "Ke, Z. et al.: Guided collaborative training for pixel-wise semi-supervised learning. In: ECCV (2020), "
    "the public code's table for segmentation, github.com/ZHKKKe/PixelSSL, task/sseg/README.md"
)
LABELS = ("1/16", "1/8", "1/4", "1/2", "full")
LABELED = dict(zip(LABELS, (662, 1323, 2646, 5291, 10582), strict=True))
"""Of the 10,582 training images of PASCAL VOC 2012 with SBD."""
METHODS = {"SupOnly": "supervised", "MT": "mt", "S4L": "s4l", "AdvSSL": "advssl", "GCT": "gct"}
START = "Networks start from weights of ImageNet and COCO."
BUDGET = (
    "An epoch is a pass over the longer of the two streams, so that a semi-supervised run had several times the "
    "iterations of SupOnly"
)
SAME = "here every method has the same number."


def _row(*scores: float) -> dict[str, float]:
    return dict(zip(LABELS, scores, strict=False))


def _voc(name: str, title: str, position: int, **rest: object) -> ClaimSpec:
    return ClaimSpec(
        name=name,
        title=title,
        position=position,
        task="segmentation",
        metric="miou",
        dataset="voc",
        labeled=LABELED,
        training_images=LABELED["full"],
        pretrained=True,
        source=SOURCE,
        methods=METHODS,
        **rest,  # type: ignore[arg-type]
    )


CLAIMS = (
    _voc(
        "pixelssl-deeplabv2",
        "DeepLab-v2, ResNet-101",
        1,
        backbone="deeplabv2",
        split="drawn at random, the same in all experiments",
        selection="not stated",
        notes=(
            f"The short edge of a test image is scaled to 321 px before scoring. {START} {BUDGET}: 15.1, 7.1, 4.5 "
            f"and 2.0 at 1/16, 1/8, 1/4 and 1/2; {SAME}"
        ),
        scores={
            "SupOnly": _row(61.24, 65.60, 67.87, 71.96, 73.63),
            "MT": _row(63.11, 67.65, 69.27, 72.04, 73.59),
            "S4L": _row(61.75, 67.15, 68.42, 71.98, 73.66),
            "AdvSSL": _row(62.61, 68.43, 69.94, 72.10, 74.15),
            "GCT": _row(65.18, 70.57, 71.53, 72.45, 74.06),
        },
    ),
    _voc(
        "pixelssl-pspnet",
        "PSPNet, ResNet-101",
        2,
        backbone="pspnet",
        split="three splits drawn at random, the mean of which is given",
        selection="not stated",
        notes=f"Test images are scored at their own size. {START} {BUDGET}; {SAME}",
        scores={
            "SupOnly": _row(61.90, 67.06, 69.78, 72.89, 75.25),
            "MT": _row(62.78, 68.86, 70.87, 73.24),
            "AdvSSL": _row(63.04, 68.39, 70.75, 73.28),
            "CCT": _row(64.58, 70.45, 71.17, 73.59),
            "GCT": _row(64.36, 70.69, 72.84, 73.97),
            "CutMix": _row(69.21, 70.82, 71.69, 73.86),
        },
    ),
)
