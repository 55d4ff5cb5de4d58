"""The four tasks and where their images come from, as descriptions: nothing here imports torch."""

from functools import partial
from typing import Literal

from ssl_bench import DatasetSpec, Metric, OptimizerSettings, Ratio, Recipe, TaskSpec
from ssl_bench_tasks.recipes import SegmentationRecipe

PSNR = Metric(name="psnr", symbol="PSNR", unit="dB")
IMAGE_METRICS = (
    PSNR,
    Metric(name="ssim", symbol="SSIM", digits=4),
    Metric(name="mae", symbol="MAE", digits=4, higher_is_better=False),
)

OBJECTS = "fpn/tf_efficientnet_lite0"
"""Of the small tiers, where a network must know things: a pretrained encoder, and of the decoders tried on it (FPN,
DeepLabV3+, U-Net, Linknet) the one that was best after a hundred steps."""
PIXELS = "unet-small"
"""Of the small tiers, where a pixel's neighbours say most: full resolution, from scratch."""
TUNE, SCRATCH = 1e-3, 5e-3
"""Learning rates of these two."""


def _small(
    iterations: int,
    crop: int,
    learning_rate: float,
    epochs: int = 40,
    scale: tuple[float, float] = (1.0, 1.0),
    *,
    schedule: Literal["polynomial", "cosine"],
) -> Recipe:
    return Recipe(
        iterations=iterations,
        epochs=epochs,
        labeled_rows=2,
        unlabeled_rows=2,
        crop=crop,
        scale=scale,
        optimizer=OptimizerSettings(name="adam", learning_rate=learning_rate, schedule=schedule),
    )


_smoke = partial(_small, schedule="cosine")
"""Does it run, and are labels what is missing: about as few steps as still show on the embedded data that all labels
are better than a few. In so few a moving average of weights needs a long calm end to catch up: cosine."""
_lite = partial(_small, schedule="polynomial")
"""Does it help, at a CPU's price: many steps of few rows, and crops that hold an object."""


def _with_losses(recipe: Recipe) -> SegmentationRecipe:
    return SegmentationRecipe(**dict(recipe))


FINE_TUNE = OptimizerSettings(name="adam", learning_rate=1e-4, schedule="polynomial")
"""For `paper`: the rate of DHDN's and HDRNet's own papers, and a usual one for a pretrained encoder."""

# VOC 2012 + SBD has 10,582 training images; at 1/8, 1,323 are labelled and 9,259 are not. The public code's
# epoch there is a pass over the unlabelled stream at 4 GPUs x 2 rows: 9,259 / 8 = 1,157 iterations, 20 times.
SEGMENTATION_ITERATIONS = 20 * (9259 // (4 * 2))

# The paper gives no recipe for the other three, so what follows is chosen here: the same 8 + 8 rows, Adam, 40
# passes over the unlabelled stream where a pass is long enough to mean something.
# Matting: 3,850 unlabelled portraits / 8 rows = 481 iterations a pass.
MATTING_ITERATIONS = 40 * (3850 // 8)
# Night: 1,500 unlabelled photographs / 8 rows = 187 iterations a pass.
NIGHT_ITERATIONS = 40 * (1500 // 8)
# Denoising: SIDD Medium has 320 frames of 12 Mpx and more, so that a pass with one crop of each of the 280
# unlabelled ones would last 35 iterations; a nominal epoch is 1,000 here.
DENOISING_ITERATIONS = 40 * 1000

SEGMENTATION = TaskSpec(
    name="segmentation",
    title="Semantic Segmentation",
    kind="classification",
    task="ssl_bench_tasks.segmentation:Segmentation",
    metrics=(
        Metric(name="miou", symbol="mIoU", unit="%", aggregate=Ratio(part="intersection", whole="union")),
        Metric(
            name="pixel_accuracy",
            symbol="Pixel accuracy",
            unit="%",
            aggregate=Ratio(part="correct", whole="pixels"),
        ),
        Metric(name="ece", symbol="ECE", unit="%", higher_is_better=False),
        Metric(name="boundary_f", symbol="Boundary F", unit="%"),
    ),
    recipes={
        "smoke": _with_losses(_smoke(40, 96, TUNE, epochs=20, scale=(0.8, 1.25))),
        "lite": _with_losses(_lite(120, 96, TUNE, epochs=20, scale=(0.8, 1.25))),
        # As in the public code, but for augmentation (docs/paper.md); its rate is 2.5e-4 per GPU, of which it had 4.
        "paper": SegmentationRecipe(
            iterations=SEGMENTATION_ITERATIONS,
            epochs=20,
            labeled_rows=8,
            unlabeled_rows=8,
            crop=321,
            scale=(0.5, 2.0),
            evaluations=10,
            optimizer=OptimizerSettings(
                name="sgd",
                learning_rate=4 * 2.5e-4,
                momentum=0.9,
                weight_decay=5e-4,
                schedule="polynomial",
                power=0.9,
                head_multiplier=10,
            ),
        ),
    },
    # ResNet-101 at output stride 16 with multi-grid, as in the public code. That code adds up the first two of its
    # four classifiers alone (its `return` stands inside the loop); here it is all four, as in DeepLab-v2's paper.
    # Its BatchNorm is synchronised over 4 GPUs x 4 rows: the 16 rows that one device sees here.
    backbones={"smoke": OBJECTS, "lite": OBJECTS, "paper": "deeplabv2"},
    labels={"smoke": "4", "lite": "4"},
    position=1,
)

DENOISING = TaskSpec(
    name="denoising",
    title="Real Image Denoising",
    kind="regression",
    task="ssl_bench_tasks.denoising:Denoising",
    metrics=IMAGE_METRICS,
    recipes={
        # No rescaling: it would change the noise.
        "smoke": _smoke(80, 48, SCRATCH),
        "lite": _lite(300, 64, SCRATCH),
        "paper": Recipe(
            iterations=DENOISING_ITERATIONS,
            labeled_rows=8,
            unlabeled_rows=8,
            crop=256,
            evaluations=10,
            optimizer=FINE_TUNE,
        ),
    },
    # The paper's denoiser. The public code has segmentation alone, so nothing can be said of differences to it.
    backbones={"smoke": PIXELS, "lite": PIXELS, "paper": "dhdn"},
    labels={"smoke": "2", "lite": "2"},
    position=2,
)

MATTING = TaskSpec(
    name="matting",
    title="Portrait Image Matting",
    kind="regression",
    task="ssl_bench_tasks.matting:Matting",
    metrics=(
        PSNR,
        Metric(name="sad", symbol="SAD", digits=3, higher_is_better=False),
        Metric(name="mse", symbol="MSE", digits=4, higher_is_better=False),
        Metric(name="gradient", symbol="Gradient", digits=3, higher_is_better=False),
        Metric(name="connectivity", symbol="Connectivity", digits=3, higher_is_better=False),
    ),
    recipes={
        "smoke": _smoke(30, 96, TUNE, scale=(0.8, 1.25)),
        "lite": _lite(120, 96, TUNE, scale=(0.8, 1.25)),
        "paper": Recipe(
            iterations=MATTING_ITERATIONS,
            labeled_rows=8,
            unlabeled_rows=8,
            crop=320,
            scale=(0.75, 1.5),
            evaluations=10,
            optimizer=FINE_TUNE,
        ),
    },
    # A U-Net with a ResNet-50 encoder is all that is known of the published network; smp's it is.
    backbones={"smoke": OBJECTS, "lite": OBJECTS, "paper": "unet/resnet50"},
    labels={"smoke": "4", "lite": "4"},
    position=3,
)

NIGHT = TaskSpec(
    name="night",
    title="Night Image Enhancement",
    kind="regression",
    task="ssl_bench_tasks.night:Night",
    metrics=IMAGE_METRICS,
    recipes={
        # Brightness is learnt late, and a moving average follows later still.
        "smoke": _smoke(100, 48, SCRATCH),
        "lite": _lite(300, 64, SCRATCH),
        "paper": Recipe(
            iterations=NIGHT_ITERATIONS,
            labeled_rows=8,
            unlabeled_rows=8,
            crop=256,
            evaluations=10,
            optimizer=FINE_TUNE,
        ),
    },
    # As published: 256 x 256 low-resolution input and a grid of 16 x 16 x 8, whatever the crop.
    backbones={"smoke": PIXELS, "lite": PIXELS, "paper": "hdrnet"},
    labels={"smoke": "2", "lite": "2"},
    position=4,
)

TASKS = (SEGMENTATION, DENOISING, MATTING, NIGHT)


def _dataset(name: str, task: str, title: str, reference: str) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        task=task,
        dataset=f"ssl_bench_tasks.{reference}",
        title=title,
        needs_path=name != "synthetic",
    )


DATASETS = (
    _dataset(
        "synthetic",
        "segmentation",
        "Textured objects over clutter",
        "synthetic.segmentation:SyntheticSegmentation",
    ),
    _dataset(
        "synthetic", "denoising", "Pictures with sensor noise", "synthetic.denoising:SyntheticDenoising"
    ),
    _dataset("synthetic", "matting", "Soft figures over backgrounds", "synthetic.matting:SyntheticMatting"),
    _dataset("synthetic", "night", "Darkened pictures", "synthetic.night:SyntheticNight"),
    _dataset("voc", "segmentation", "PASCAL VOC 2012, with or without SBD", "layouts.voc:Voc"),
    _dataset("sbd", "segmentation", "SBD alone", "layouts.voc:Sbd"),
    _dataset("camvid", "segmentation", "CamVid", "layouts.camvid:CamVid"),
    _dataset("cityscapes", "segmentation", "Cityscapes", "layouts.cityscapes:Cityscapes"),
    _dataset("sidd_small", "denoising", "SIDD Small", "layouts.sidd:SiddSmall"),
    _dataset("sidd_medium", "denoising", "SIDD Medium", "layouts.sidd:SiddMedium"),
    _dataset("sidd_crops", "denoising", "Crops of SIDD", "layouts.sidd:SiddCrops"),
    _dataset("sidd_blocks", "denoising", "SIDD validation blocks alone", "layouts.sidd:SiddBlocks"),
    _dataset("p3m", "matting", "P3M-10k", "layouts.p3m:P3M"),
    _dataset("ppm", "matting", "PPM-100", "layouts.ppm:Ppm"),
    _dataset("aim", "matting", "AIM-500", "layouts.aim:Aim"),
    _dataset("distinctions", "matting", "Distinctions-646", "layouts.distinctions:Distinctions"),
    _dataset("aisegment", "matting", "AISegment", "layouts.aisegment:AiSegment"),
    _dataset("lol", "night", "LOL", "layouts.lol:Lol"),
    _dataset("lol_v2_real", "night", "LOL v2, captured", "layouts.lol:LolV2Real"),
    _dataset("lol_v2_synthetic", "night", "LOL v2, synthetic", "layouts.lol:LolV2Synthetic"),
    _dataset("fivek", "night", "MIT-Adobe FiveK", "layouts.fivek:FiveK"),
    _dataset("sice", "night", "SICE", "layouts.sice:Sice"),
    _dataset("pairs", "segmentation", "Your own images and masks", "layouts.pairs:SegmentationPairs"),
    _dataset("pairs", "denoising", "Your own noisy and clean images", "layouts.pairs:ImagePairs"),
    _dataset("pairs", "matting", "Your own images and mattes", "layouts.pairs:AlphaPairs"),
    _dataset("pairs", "night", "Your own dark and well-lit images", "layouts.pairs:ImagePairs"),
)
