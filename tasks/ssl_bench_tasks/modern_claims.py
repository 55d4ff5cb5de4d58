"""Published numbers of methods since 2020 for semi-supervised segmentation, with the steps behind them.

Steps are worked out from the authors' configurations and data loaders: epochs times batches that an epoch has.
"""

from collections.abc import Sequence

from ssl_bench import ClaimSpec

LABELS = ("1/16", "1/8", "1/4", "1/2", "full")
LABELED = dict(zip(LABELS, (92, 183, 366, 732, 1464), strict=True))
"""Of the 1,464 images with VOC's own, finer masks; the rest of 10,582 is unlabelled."""
SPLIT = "drawn at random from the 1,464 images with VOC's own masks; the rest of the 10,582 with SBD is unlabelled"
BEST = "the epoch that was best on the reported images, by the code"
LAST = "the last epoch"
UNIMATCH = (
    "Yang, L. et al.: Revisiting weak-to-strong consistency in semi-supervised semantic segmentation. In: CVPR (2023), "
    "the public code's table, github.com/LiheYoung/UniMatch, README.md"
)
UNIMATCH_V2 = (
    "Yang, L. et al.: UniMatch V2: Pushing the limit of semi-supervised semantic segmentation. TPAMI (2025), the "
    "public code's {}, github.com/LiheYoung/UniMatch-V2"
)
PREVMATCH = (
    "Shin, W. et al.: Revisiting and maximizing temporal knowledge in semi-supervised semantic segmentation. In: WACV "
    "(2025), the public code's table, github.com/wooseok-shin/PrevMatch, README.md"
)
UNLIKE = "Steps and rows differ between methods of one table; here every method has the same number."


def _row(*scores: float) -> dict[str, float]:
    return dict(zip(LABELS, scores, strict=True))


def _steps(*steps: int) -> dict[str, int]:
    return dict(zip(LABELS, steps, strict=True))


def _voc(name: str, title: str, position: int, labels: Sequence[str] = LABELS, **rest: object) -> ClaimSpec:
    given: dict[str, object] = {
        "labeled": {label: LABELED[label] for label in labels},
        "split": SPLIT,
        "training_images": 10582,
        **rest,
    }
    return ClaimSpec(
        name=name,
        title=title,
        position=position,
        task="segmentation",
        metric="miou",
        dataset="voc",
        pretrained=True,
        **given,  # type: ignore[arg-type]
    )


OF_ITS_LENGTH = _steps(104_880, 104_000, 102_160, 98_480, 91_200)
"""80 epochs of the unlabelled images in batches of 2 on each of 4 GPUs."""

MODERN_CLAIMS = (
    _voc(
        "cps-deeplabv3plus-r50",
        "DeepLabV3+, ResNet-50, 512 px",
        3,
        labels=("1/8",),
        labeled={"1/8": 1323},
        scores={"CPS": {"1/8": 73.20}},
        steps={"CPS": {"1/8": 39_338}},
        source="Chen, X. et al.: Semi-supervised semantic segmentation with cross pseudo supervision. In: CVPR (2021), "
        "the public code's guide, github.com/charlesCXK/TorchSemiSeg, docs/getting_started.md",
        split="one in eight of the 10,582 images with SBD",
        selection="not stated",
        notes="Without CutMix; the released run has 73.28. The labelled-only run beside it in the paper has 39,682 "
        "steps of 8 labelled rows, as many as CPS: of these tables the one with a baseline of equal length.",
    ),
    _voc(
        "unimatch-deeplabv3plus-r101",
        "DeepLabV3+, ResNet-101, 321 px",
        4,
        scores={
            "SupBaseline": _row(45.1, 55.3, 64.8, 69.7, 73.5),
            "U2PL": _row(68.0, 69.2, 73.7, 76.2, 79.5),
            "ST++": _row(65.2, 71.0, 74.6, 77.3, 79.1),
            "PS-MT": _row(65.8, 69.6, 76.6, 78.4, 80.0),
            "UniMatch": _row(75.2, 77.2, 78.8, 79.9, 81.2),
        },
        steps={"SupBaseline": _steps(400, 880, 1_840, 3_600, 7_280), "UniMatch": OF_ITS_LENGTH},
        source=UNIMATCH,
        selection=BEST,
        notes="SupBaseline passes 80 times over the labelled images alone, in batches of 16; UniMatch 80 times over "
        f"the unlabelled ones, in steps of 8 labelled and 8 unlabelled rows: 13 to 262 times the steps. {UNLIKE}",
    ),
    _voc(
        "prevmatch-deeplabv3plus-r50",
        "DeepLabV3+, ResNet-50, 321 px",
        5,
        scores={
            "Supervised Baseline": _row(44.0, 52.3, 61.7, 66.7, 72.9),
            "UniMatch": _row(71.9, 72.5, 76.0, 77.4, 78.7),
            "Dual Teacher": _row(70.8, 74.5, 76.4, 77.7, 78.2),
            "PrevMatch": _row(73.4, 75.4, 77.5, 78.6, 79.3),
        },
        steps={"PrevMatch": _steps(104_880, 103_920, 102_160, 98_480, 91_120)},
        source=PREVMATCH,
        selection=BEST,
        notes="PrevMatch keeps a previous model exactly when it is the best so far on the reported images, so that "
        f"their labels take part in training. Steps of 8 labelled and 8 unlabelled rows. {UNLIKE}",
    ),
    _voc(
        "prevmatch-deeplabv3plus-r101",
        "DeepLabV3+, ResNet-101, 321 px, beside PrevMatch",
        6,
        scores={
            "AugSeg": _row(71.1, 75.5, 78.8, 80.3, 81.4),
            "UniMatch": _row(75.2, 77.2, 78.8, 79.9, 81.2),
            "PrevMatch": _row(77.0, 78.5, 79.6, 80.4, 81.6),
        },
        steps={"UniMatch": OF_ITS_LENGTH, "PrevMatch": _steps(104_880, 103_920, 102_160, 98_480, 91_120)},
        source=PREVMATCH,
        selection=BEST,
        notes="As for ResNet-50. AugSeg trains on 513 px.",
    ),
    _voc(
        "unimatch2-dpt-small",
        "DPT, DINOv2-Small, 518 px",
        7,
        scores={
            "Labelled only": _row(65.2, 74.6, 81.4, 83.4, 85.4),
            "UniMatch V2": _row(79.0, 85.2, 85.8, 86.6, 87.5),
            "UniMatch V2, encoder frozen": _row(81.4, 83.8, 83.5, 85.7, 86.1),
        },
        steps={
            "Labelled only": dict.fromkeys(LABELS, 5_580),
            "UniMatch V2": _steps(39_300, 39_000, 38_280, 36_900, 34_200),
            "UniMatch V2, encoder frozen": _steps(39_300, 39_000, 38_280, 36_900, 34_200),
        },
        source=UNIMATCH_V2.format("training logs"),
        selection=f"{LAST}; of UniMatch V2 the moving average",
        notes="Labelled only: steps of 32 labelled rows, fine-tuned; UniMatch V2: 16 labelled and 16 unlabelled. "
        f"There is no log of a frozen encoder on labelled images alone. {UNLIKE}",
    ),
    _voc(
        "unimatch2-base",
        "Large pretrained encoders",
        8,
        scores={
            "AllSpark, MiT-B5": _row(76.1, 78.4, 79.8, 80.8, 82.1),
            "SemiVL, CLIP-Base": _row(84.0, 85.6, 86.0, 86.7, 87.3),
            "UniMatch V2, DINOv2-Base": _row(86.3, 87.9, 88.9, 90.0, 90.8),
        },
        steps={"UniMatch V2, DINOv2-Base": _steps(39_300, 39_000, 38_280, 36_900, 34_200)},
        source=UNIMATCH_V2.format("table"),
        selection="not stated",
        notes="Each has another encoder, pretrained on other data: what differs is not the method alone.",
    ),
    _voc(
        "fixmatch-dpt-base",
        "DPT, DINOv2-Base, 518 px",
        9,
        labels=("1/8", "1/2"),
        scores={"FixMatch": {"1/8": 87.4, "1/2": 89.8}},
        steps={"FixMatch": {"1/8": 39_000, "1/2": 36_900}},
        source=UNIMATCH_V2.format("training logs"),
        selection=f"{LAST}, the moving average",
        notes="The baseline within UniMatch V2: strong views, boxes, an averaged teacher, a threshold of 0.95.",
    ),
)
