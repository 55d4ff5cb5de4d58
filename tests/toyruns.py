"""Short runs of every method on real tasks with a tiny network, for tests of parts and processes."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ssl_bench.backbone import TaskNetwork
from ssl_bench.machine.heap import keep_heap
from ssl_bench.method import Batch, Method
from ssl_bench.plan.settings import resolve_config
from ssl_bench.recipe import Forward, OptimizerSettings, Recipe
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import resolve
from ssl_bench.task import Target
from ssl_bench.testing.toys import ToyNetwork
from ssl_bench.train.trainer import Trainer
from ssl_bench.world.world import ALONE, World

ROWS, SIDE, STEPS = 2, 40, 2
TASKS = {"segmentation": ("zero", "one", "two"), "night": ()}
RECIPE = Recipe(
    iterations=4,
    epochs=4,
    labeled_rows=ROWS,
    unlabeled_rows=ROWS,
    optimizer=OptimizerSettings(name="sgd", learning_rate=0.2, momentum=0.5),
)
SETTINGS = {
    "lora": {"rank": 4},
    "mt": {"noise": "strong"},
    "advssl": {"lambda_adv_l": 0.5, "lambda_adv_u": 0.5},
    "cutmix": {"tau_cm": 0.36},
    "fixmatch": {"tau_fm": 0.36},
    "prevmatch": {"tau_pm": 0.36, "tau_prev": 0.36},
    "bank": {"lambda_rb": 2.0},
    "unimatch": {"tau_um": 0.36},
    "unimatch2": {"tau_um2": 0.36},
    "ucvme": {"lambda_uc": 1.0, "sigma_uc": 1.0},
    "gct": {"lambda_dc": 1.0, "lambda_fc": 1.0, "xi": 0.5},
}


def batch(task: str, step: int, *, void: bool, together: int = 1) -> Batch:
    """Random pixels; with `void`, labels and padding that leave each row another number of valid pixels. `together`:
    of unlabelled rows, so many in place of one."""
    rows = ROWS + ROWS * together
    generator = torch.Generator().manual_seed(100 + step)
    images = torch.rand(rows, 3, SIDE, SIDE, generator=generator)
    valid = torch.ones(rows, 1, SIDE, SIDE, dtype=torch.bool)
    known = torch.ones(ROWS, 1, SIDE, SIDE, dtype=torch.bool)
    if void:
        for row in range(rows):
            valid[row, :, : 8 * row % SIDE] = False
        known = valid[:ROWS] & (torch.rand(known.shape, generator=generator) > 0.3)
    if task == "segmentation":
        value = (images[:ROWS].mean(1) * 3).long().clamp(0, 2) * known[:, 0]
    else:
        value = images[:ROWS].square()
    return Batch(images, valid, Target(value, known))


def build(task: str, method: str, registry: Registry, *, norm: bool, **settings: object) -> Method:
    """A method on a task with a network of two convolutions. `norm`: with BatchNorm between them; without it, all
    BatchNorm layers of the method take running statistics."""
    made = resolve(registry.task(task).task)(TASKS[task])
    spec = registry.method(method)

    def network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        torch.manual_seed(index)
        layers = [
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.Tanh(),
            nn.Conv2d(8, made.out_channels, 1),
        ]
        return TaskNetwork(
            ToyNetwork(*(layer for layer in layers if norm or not isinstance(layer, nn.BatchNorm2d))),
            in_channels=3,
            residual=False,
        )

    torch.manual_seed(7)
    config = resolve_config(registry.task(task), spec, {**SETTINGS.get(method, {}), **settings})
    ready: Method = resolve(spec.method)(made, config, network).train()
    if not norm:
        for module in ready.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    return ready


def learnt(
    method: Method,
    task: str,
    *,
    void: bool,
    parts: int = 1,
    world: World = ALONE,
    forward: Forward = "joint",
) -> dict[str, Tensor]:
    """Train for a few steps; every loss on the way and what all networks then predict."""

    class Rows:
        def batch(self, step: int) -> Batch:
            rows = batch(task, step, void=void, together=method.config.rows_together())
            return rows.split(world.size)[world.rank]

    keep_heap()
    recipe = RECIPE.model_copy(update={"forward": forward})
    trainer = Trainer(method, recipe, Rows(), 0, micro_batches=parts, world=world)
    found = {}
    for step in range(STEPS):
        for name, value in trainer.step(step).items():
            found[f"{name} {step}"] = torch.as_tensor(value)
    probe = batch(task, 99, void=False).images
    method.eval()
    with torch.no_grad():
        for name, predict in {"": method.predict, **method.predict_beside()}.items():
            found[f"prediction {name}"] = method.task.activate(predict(probe))
    return found


def variants() -> Iterator[tuple[str, str, dict[str, object]]]:
    """Both kinds of task, every method, the one that steps several times in an iteration, and gates by rate, pixel and
    agreement, where targets are the network's own, where all that can be mixed is, and where rows are rated."""
    registry = load_registry()
    for task in TASKS:
        for spec in registry.sorted("methods"):
            if not spec.unsupported(registry.task(task)):
                yield task, spec.name, {}
    yield "night", "gct", {"low_memory": True}
    yield "segmentation", "cutmix", {"gate": "pixel", "mix": "aspect", "noise": "strong"}
    yield "segmentation", "fixmatch", {"teacher": "self", "gate": "agreement", "weak": "weak"}
    yield "segmentation", "cps", {"mix": "toggle"}
    yield "segmentation", "s4l", {"head_input": "features"}
    yield "night", "s4l", {"head_input": "output"}
    for task in TASKS:
        yield task, "st", {"plus": True}
