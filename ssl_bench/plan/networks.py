"""The networks of a cell at their initial weights, for its method to build."""

from collections.abc import Callable

import torch

from ssl_bench.backbone import NetworkFactory, TaskNetwork
from ssl_bench.plan.weights import SCRATCH, Weights
from ssl_bench.recipe import Learning, Recipe
from ssl_bench.seeds import seed_for
from ssl_bench.specs import BackboneSpec, resolve
from ssl_bench.task import Task


def network_factory(
    backbones: Callable[[str], BackboneSpec],
    task: Task,
    backbone: str,
    seed: int,
    weights: Weights = SCRATCH,
    recipe: Recipe | None = None,
) -> NetworkFactory:
    """The factory that a method gets. `backbones` finds the spec that answers to a backbone's name; networks that
    take pretrained weights start from `weights`, and the rest of them as the seed has it. `recipe` says what of them
    is frozen; without it nothing is."""
    default = backbone
    frozen: dict[str, Learning] = (
        {"encoder": recipe.encoder, "batch_norm": recipe.batch_norm} if recipe is not None else {}
    )

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        name = backbone or default
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for("network", seed, name, index))
            spec = backbones(name)
            network = resolve(spec.backbone)(name, task.in_channels, task.out_channels)
            weights.load(spec, network, name)
        return TaskNetwork(network, in_channels=task.in_channels, residual=task.residual, **frozen)

    return build_network
