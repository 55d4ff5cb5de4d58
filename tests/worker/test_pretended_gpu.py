"""Training steps on a GPU that torch's fake tensors pretend: whatever meets is on it, and no number is read back."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode, unset_fake_temporarily

from ssl_bench.method import Batch, Method
from ssl_bench.plan.networks import network_factory
from ssl_bench.plan.settings import resolve_config
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import resolve
from ssl_bench.task import Target, Task
from ssl_bench.toolbox import images
from ssl_bench.train.trainer import Trainer
from ssl_bench.worker.build import prepare_torch
from ssl_bench.world.part import Draws

GPU = torch.device("cuda:0")
REGISTRY = load_registry()
LABELED, UNLABELED, SIDE = 2, 2, 64


class OneBatch:
    """The same batch at every step."""

    def __init__(self, task: Task, unlabeled: int) -> None:
        rows, size = LABELED + unlabeled, (SIDE, SIDE)
        valid = torch.ones(rows, 1, *size, dtype=torch.bool, device=GPU)
        value = torch.rand(LABELED, task.out_channels, *size, device=GPU)
        if task.kind == "classification":
            value = value.argmax(1)
        pictures = torch.rand(rows, task.in_channels, *size, device=GPU)
        self._batch = Batch(pictures, valid, Target(value, valid[:LABELED]))

    def batch(self, step: int) -> Batch:
        return self._batch


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    """A GPU on which all but gradients can be computed: these would be looked for on a real one."""

    def gradients(total: Tensor, parameters: Sequence[Tensor], **settings: Any) -> list[Tensor]:
        assert total.device == GPU
        assert total.requires_grad
        return [torch.empty_like(parameter) for parameter in parameters]

    def on_the_host(draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """Where numbers are numbers."""

        def drawn(*arguments: Any) -> Tensor:
            with unset_fake_temporarily():
                return draw(*arguments)

        return drawn

    prepare_torch(1, torch.device("cpu"))
    monkeypatch.setattr(torch.autograd, "grad", gradients)
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    for name in ("_take", "once"):
        monkeypatch.setattr(Draws, name, on_the_host(getattr(Draws, name)))
    images._blur.cache_clear()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        yield mode
    images._blur.cache_clear()


def move(method: Method) -> None:
    """What `Module.to` moves; it alone."""
    for module in method.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                there = torch.empty(parameter.shape, device=GPU)
                module._parameters[name] = nn.Parameter(there, parameter.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device=GPU)


def test_what_is_pretended_is_told(gpu: FakeTensorMode) -> None:
    there, forgotten = torch.rand(2, device=GPU), torch.rand(2)
    with pytest.raises(RuntimeError, match="devices"):
        there + forgotten
    with pytest.raises(DataDependentOutputException):
        there.sum().item()


@pytest.mark.parametrize(
    ("method_name", "settings"),
    [
        *((spec.name, {}) for spec in REGISTRY.sorted("methods") if spec.name != "full"),
        ("fixmatch", {"teacher": "self"}),
        ("st", {"plus": True}),
    ],
)
@pytest.mark.parametrize("task_name", ["segmentation", "denoising", "matting", "night"])
def test_steps_and_predictions(
    task_name: str, method_name: str, settings: dict[str, Any], gpu: FakeTensorMode
) -> None:
    task_spec, spec = REGISTRY.task(task_name), REGISTRY.method(method_name)
    with unset_fake_temporarily():  # The constants of a module that is imported here stay what they are.
        task: Task = resolve(task_spec.task)(("sky", "road", "car") if task_name == "segmentation" else ())
        build_network = network_factory(REGISTRY.backbone, task, "unet-small", 0)
        if reason := spec.unsupported(task_spec):
            pytest.skip(reason)
        config = resolve_config(task_spec, spec, settings)
        method: Method = resolve(spec.method)(task, config, build_network).train()
    move(method)
    stream = OneBatch(task, UNLABELED if spec.uses_unlabeled else 0)
    recipe = task_spec.recipes["lite"]
    trainer = Trainer(method, recipe, stream, seed=0)
    # The second stage of methods that have one, and then there are snapshots.
    for step in (0, recipe.iterations // 2):
        terms = trainer.step(step)
        assert {term.device for term in terms.values()} == {GPU}
    assert trainer.spoilt is not None
    method.eval()
    with torch.inference_mode():
        prediction = task.activate(method.predict(torch.rand(1, task.in_channels, 50, 70, device=GPU)))
    assert prediction.device == GPU
    assert prediction.shape == (1, task.out_channels, 50, 70)
