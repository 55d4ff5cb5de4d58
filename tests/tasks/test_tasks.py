"""The four tasks: losses and encodings under void, activations under autocast, perturbations, specs."""

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import ssl_bench_tasks
from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import DatasetSpec, resolve
from ssl_bench.task import Strength, Target, Task
from ssl_bench.world.part import Draws
from ssl_bench_tasks import perturbations
from ssl_bench_tasks.perturbations import Exposure, Photometric, SensorNoise
from ssl_bench_tasks.segmentation import Segmentation
from ssl_bench_tasks.specs import DATASETS, TASKS

NAMES = ("segmentation", "denoising", "matting", "night")
CLASSES = ("background", "cat", "dog")


def task_of(name: str) -> Task:
    spec = next(spec for spec in TASKS if spec.name == name)
    task = resolve(spec.task)(CLASSES if name == "segmentation" else ())
    assert isinstance(task, Task)
    return task


def example(name: str, rows: int = 2, size: tuple[int, int] = (9, 13)) -> tuple[Task, torch.Tensor, Target]:
    """A task, logits, and a target with a void patch in every row."""
    task = task_of(name)
    generator = torch.Generator().manual_seed(7)
    logits = torch.randn(rows, task.out_channels, *size, generator=generator)
    valid = torch.ones(rows, 1, *size, dtype=torch.bool)
    valid[..., 2:5, 3:8] = False
    if task.kind == "classification":
        value = torch.randint(task.out_channels, (rows, *size), generator=generator)
        return task, logits, Target(value * valid[:, 0], valid)
    return task, logits, Target(torch.rand(logits.shape, generator=generator), valid)


def other_under_void(target: Target) -> Target:
    if target.value.dtype == torch.int64:
        return Target(torch.where(target.valid[:, 0], target.value, 2), target.valid)
    return Target(torch.where(target.valid, target.value, 1 - target.value), target.valid)


def photographs(rows: int = 8, size: tuple[int, int] = (24, 31)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return F.interpolate(torch.rand(rows, 3, 5, 5, generator=generator), size, mode="bilinear")


def perturbed(task: Task, images: torch.Tensor, strength: Strength, seed: int = 11) -> torch.Tensor:
    return task.perturb(images, Draws(torch.Generator().manual_seed(seed)), strength)


def test_descriptions() -> None:
    assert [(spec.name, spec.title, spec.kind) for spec in sorted(TASKS, key=lambda spec: spec.position)] == [
        ("segmentation", "Semantic Segmentation", "classification"),
        ("denoising", "Real Image Denoising", "regression"),
        ("matting", "Portrait Image Matting", "regression"),
        ("night", "Night Image Enhancement", "regression"),
    ]
    assert [[metric.name for metric in spec.metrics] for spec in TASKS] == [
        ["miou", "pixel_accuracy", "ece", "boundary_f"],
        ["psnr", "ssim", "mae"],
        ["psnr", "sad", "mse", "gradient", "connectivity"],
        ["psnr", "ssim", "mae"],
    ]
    for spec in TASKS:
        lower = {metric.name for metric in spec.metrics if not metric.higher_is_better}
        assert lower == {"ece", "mae", "sad", "mse", "gradient", "connectivity"} & {
            m.name for m in spec.metrics
        }
        assert set(spec.recipes) == set(spec.backbones) == {"smoke", "lite", "paper"}
        assert {recipe.epochs for recipe in spec.recipes.values()} == {20 if spec.position == 1 else 40}


def test_registry_takes_the_plugin() -> None:
    registry = load_registry([ssl_bench_tasks], installed=False)
    assert not registry.failures
    assert [spec.name for spec in registry.sorted("tasks")] == list(NAMES)
    own = {name: {spec.name for spec in registry.datasets_of(name)} for name in NAMES}
    assert all({"synthetic", "pairs"} < names for names in own.values())
    public = {name: names - {"synthetic", "pairs"} for name, names in own.items()}
    assert public == {
        "segmentation": {"voc", "sbd", "camvid", "cityscapes"},
        "denoising": {"sidd_small", "sidd_medium", "sidd_crops", "sidd_blocks"},
        "matting": {"p3m", "ppm", "aim", "distinctions", "aisegment"},
        "night": {"lol", "lol_v2_real", "lol_v2_synthetic", "fivek", "sice"},
    }
    for name in NAMES:
        assert registry.dataset(name, registry.task(name).dataset).needs_path is False


def test_the_plugin_imports_no_torch() -> None:
    code = "import sys, ssl_bench_tasks as t; list(t.provide_tasks()); print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_kind(name: str) -> None:
    task, logits, target = example(name)
    assert task.kind == next(spec for spec in TASKS if spec.name == name).kind
    assert task.residual is (name == "denoising")
    assert task.out_channels == {"segmentation": 3, "matting": 1}.get(name, 3)
    value, valid = task.encode(target)
    assert value.shape == task.activate(logits).shape == logits.shape
    assert value.dtype == torch.float32
    assert valid.equal(target.valid)
    decoded = task.decode(task.activate(logits))
    if name == "segmentation":
        assert decoded.equal(logits.argmax(1))
    else:
        assert decoded.equal(task.activate(logits).clamp(0, 1))


@pytest.mark.parametrize("name", NAMES)
def test_labels_under_void_change_nothing(name: str) -> None:
    task, logits, target = example(name)
    other = other_under_void(target)
    assert not other.value.equal(target.value)
    assert task.loss(logits, other).equal(task.loss(logits, target))
    assert task.encode(other).value.equal(task.encode(target).value)
    assert not task.encode(target).value[:, :, 2:5, 3:8].any()
    prediction = task.activate(logits)
    rows = [task.metrics().update(prediction[:1], Target(t.value[:1], t.valid[:1])) for t in (target, other)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("name", NAMES)
def test_loss_is_the_mean_over_valid_pixels(name: str) -> None:
    task, logits, target = example(name)
    logits.requires_grad_(True)
    loss = task.loss(logits, target)
    if name == "segmentation":
        ids = target.value.masked_fill(~target.valid[:, 0], 255)
        expected = F.cross_entropy(logits, ids, ignore_index=255)
    else:
        mask = target.valid.expand_as(logits)
        guess = logits.sigmoid() if name == "matting" else logits
        expected = F.mse_loss(guess[mask], target.value[mask])
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.ne(0).any(1, keepdim=True).equal(target.valid)


@pytest.mark.parametrize("name", NAMES)
def test_loss_of_void_alone_is_zero(name: str) -> None:
    task, logits, target = example(name)
    logits.requires_grad_(True)
    loss = task.loss(logits, Target(target.value, torch.zeros_like(target.valid)))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("name", NAMES)
def test_activation_is_float32_under_autocast(name: str) -> None:
    task, logits, target = example(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = torch.nn.Conv2d(task.out_channels, task.out_channels, 1)(logits)
        assert half.dtype == torch.bfloat16
        assert task.activate(half).dtype == torch.float32
        assert task.loss(half, target).dtype == torch.float32
    assert task.activate(half.float()).equal(task.activate(half))
    assert task.activate(logits.double()).dtype == torch.float64


def test_activations() -> None:
    _, logits, _ = example("segmentation")
    torch.testing.assert_close(task_of("segmentation").activate(logits), logits.softmax(1))
    assert task_of("denoising").activate(logits).equal(logits)
    assert task_of("night").activate(logits).equal(logits)
    _, logits, _ = example("matting")
    torch.testing.assert_close(task_of("matting").activate(logits), logits.sigmoid())


def test_one_hot() -> None:
    target = Target(torch.tensor([[[0, 1, 2, 0]]]), torch.tensor([[[[True, True, True, False]]]]))
    expected = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]).view(1, 3, 1, 4)
    assert task_of("segmentation").encode(target).value.equal(expected)


def test_segmentation_needs_classes() -> None:
    with pytest.raises(DataError, match="two classes or more"):
        Segmentation()


def test_pictures() -> None:
    # The published colours of aeroplane, person and void.
    colours = task_of("segmentation").picture(np.array([[0, 1, 15, 255]], np.uint8))
    assert colours.tolist() == [[[0, 0, 0], [128, 0, 0], [192, 128, 128], [224, 224, 192]]]
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(task_of("night").picture(image), image)
    alpha = task_of("matting").picture(image[..., :1])
    assert alpha.shape == (2, 4, 3)
    assert np.array_equal(alpha[..., 2], image[..., 0])


@pytest.mark.parametrize("name", NAMES)
def test_perturbations(name: str) -> None:
    task, images = task_of(name), photographs()
    assert task.perturb(images, Draws(torch.Generator()), "none") is images
    before = images.clone()
    changes = {}
    for strength in ("weak", "strong"):
        changed = perturbed(task, images, strength)
        assert changed.shape == images.shape
        assert changed.dtype == torch.float32
        assert changed.min() >= 0
        assert changed.max() <= 1
        assert changed.equal(perturbed(task, images, strength))
        assert not changed.equal(perturbed(task, images, strength, seed=12))
        changes[strength] = (changed - images).abs().mean()
    assert images.equal(before)
    assert changes["weak"] > 0.001
    assert changes["strong"] > 2 * changes["weak"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strength", ["weak", "strong"])
def test_every_row_has_its_own_draw(name: str, strength: Strength) -> None:
    """Not the noise alone: the rows' mean changes differ by more than noise can make them differ."""
    same = photographs(1, (64, 64)).expand(6, -1, -1, -1)
    change = (perturbed(task_of(name), same, strength) - same).double()
    scale = change.abs().mean((1, 2, 3))
    assert scale.max() > 1.2 * scale.min()
    assert len({row.sum().item() for row in change}) == 6


@pytest.mark.parametrize("name", NAMES)
def test_perturbations_keep_full_precision_and_odd_sizes(name: str) -> None:
    task, images = task_of(name), photographs(3, (5, 2))
    plain = perturbed(task, images, "strong")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert perturbed(task, images, "strong").equal(plain)


@pytest.mark.parametrize("name", ["segmentation", "matting"])
def test_photometric_change_moves_no_edge(name: str) -> None:
    """A bright square on black keeps its outline: every pixel stays on its side of the middle."""
    images = torch.full((16, 3, 32, 32), 0.2)
    images[..., 8:20, 10:25] = 0.8
    inside = images[:, :1] > 0.5
    changed = perturbed(task_of(name), images, "strong").mean(1, keepdim=True)
    for row, mask in zip(changed, inside, strict=True):
        middle = (row[mask].mean() + row[~mask].mean()) / 2
        assert ((row > middle) == mask).float().mean() > 0.97


def test_alpha_survives_a_change_of_colour() -> None:
    """Recolouring a composite is compositing the recoloured, which is why alpha may stay as it is."""
    rows = 4
    foreground, background = photographs(rows), photographs(rows).flip(0, 3)
    alpha = torch.rand(rows, 1, 24, 31, generator=torch.Generator().manual_seed(2))
    factors = [torch.full((rows, 1, 1, 1), value) for value in (1.2, 1.0, 0.4, 0.3)]

    def recolored(images: torch.Tensor) -> torch.Tensor:
        return perturbations.color_jitter(images, *factors)

    composite = recolored(alpha * foreground + (1 - alpha) * background)
    torch.testing.assert_close(
        composite, alpha * recolored(foreground) + (1 - alpha) * recolored(background), atol=1e-5, rtol=0
    )


def test_color_jitter_by_hand() -> None:
    images = photographs(2)

    def jitter(**changed: float) -> torch.Tensor:
        factors: dict[str, Any] = {
            "brightness": 1.0,
            "contrast": 1.0,
            "saturation": 1.0,
            "hue": 0.0,
        } | changed
        return perturbations.color_jitter(
            images, **{key: torch.full((2, 1, 1, 1), value) for key, value in factors.items()}
        )

    luma = (images * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    mean = luma.mean((2, 3), keepdim=True)
    torch.testing.assert_close(jitter(), images)
    torch.testing.assert_close(jitter(brightness=1.5), 1.5 * images)
    torch.testing.assert_close(jitter(contrast=0.5), 0.5 * images + 0.5 * mean)
    torch.testing.assert_close(jitter(saturation=0.0), luma.expand_as(images))
    # A third of a turn about grey takes red to green, green to blue and blue to red.
    torch.testing.assert_close(jitter(hue=2 * torch.pi / 3), images.roll(1, 1), atol=1e-5, rtol=0)


def test_blur_is_a_gaussian_of_each_rows_sigma() -> None:
    from scipy import ndimage

    images, sigmas = photographs(3), torch.tensor([0.1, 0.7, 2.0]).view(3, 1, 1, 1)
    blurred = perturbations.blur(images, sigmas, 2.0)
    assert blurred[0].equal(images[0])
    for row, image, sigma in zip(blurred, images, sigmas.flatten().tolist(), strict=True):
        expected = ndimage.gaussian_filter(
            image.double().numpy(), (0, sigma, sigma), mode="nearest", radius=6
        )
        np.testing.assert_allclose(row.numpy(), expected, atol=1e-5)


def test_sensor_noise_has_no_mean_and_grows_with_light() -> None:
    images = torch.tensor([0.1, 0.9]).view(1, 1, 1, 2).expand(64, 3, 100, 2)
    change = SensorNoise((0.05, 0.05))(images, Draws(torch.Generator().manual_seed(0))) - images
    for column, light in ((0, 0.1), (1, 0.9)):
        assert change[..., column].mean().abs() < 0.001
        assert change[..., column].std().item() == pytest.approx(
            0.05 * (0.25 + 0.75 * light) ** 0.5, rel=0.03
        )


def test_some_rows_lose_their_colour() -> None:
    change = Photometric(jitter=0.1, hue=0.1, noise=(0.0, 0.0), gray=0.2)
    images = change(photographs(200, (6, 6)), Draws(torch.Generator().manual_seed(0)))
    gray = (images - images.mean(1, keepdim=True)).abs().amax((1, 2, 3)) < 1e-5
    assert 0.1 < gray.float().mean() < 0.3


@pytest.mark.parametrize("spec", DATASETS, ids=lambda spec: f"{spec.task}-{spec.name}")
def test_references_to_datasets_resolve(spec: DatasetSpec) -> None:
    assert issubclass(resolve(spec.dataset), Dataset)


def test_exposure_by_hand() -> None:
    """Without noise a row is gain * x^gamma, gain within a stop of light, the same for all channels."""
    images = torch.linspace(0.05, 0.4, 40).view(1, 1, 4, 10).expand(50, 3, -1, -1)
    changed = Exposure(stops=1.0, gamma=0.2, noise=(0.0, 0.0))(
        images, Draws(torch.Generator().manual_seed(0))
    )
    assert changed[:, :1].expand_as(changed).equal(changed)
    # log y = log gain + gamma * log x, a straight line through the first and the last pixel.
    x, y = (tensor[:, 0].flatten(1).double().log() for tensor in (images, changed))
    gamma = (y[:, -1] - y[:, 0]) / (x[:, -1] - x[:, 0])
    gain = y[:, 0] - gamma * x[:, 0]
    torch.testing.assert_close(y, gain[:, None] + gamma[:, None] * x, atol=1e-5, rtol=0)
    assert 0.8 < gamma.log().abs().max() / 0.2 < 1.0001
    assert 0.8 < gain.abs().max() / (math.log(2) / 2.2) < 1.0001
