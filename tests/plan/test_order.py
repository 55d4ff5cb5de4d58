"""`cell.json`: what earlier versions wrote is read as it was, and what is written is of the same form."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.errors import DataError
from ssl_bench.executor import Job
from ssl_bench.machine.files import write_json
from ssl_bench.pixels.channels import RGB, Channels
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.recipe import PLAIN, Execution
from ssl_bench.store.outcomes import is_finished
from ssl_bench.store.results import ResultStore

FIRST: dict[str, Any] = {
    "task": "night",
    "dataset": "pairs",
    "data": "0123456789abcdef",
    "split": {"source": "2", "seed": 1, "labeled": ["a", "c"], "unlabeled": ["b"]},
    "backbone": "unet-small",
    "method": "mt",
    "seed": 3,
    "tier": "lite",
    "recipe": {
        **{"iterations": 30, "epochs": 3, "labeled_rows": 2, "unlabeled_rows": 2, "crop": 32},
        **{"scale": [1.0, 1.0], "flip": True, "evaluations": 1},
        "optimizer": {
            **{"name": "adam", "learning_rate": 0.001, "betas": [0.9, 0.999], "momentum": 0.9},
            **{"weight_decay": 0.0, "schedule": "polynomial", "power": 0.9, "head_multiplier": 1.0},
        },
    },
    "config": {"lambda_mt": 1.0, "learning_rate": 0.5},
    "threads": 1,
    "providers": {"task": "ssl-bench 0.1.0"},
    "describe": {"task": {"title": "Night"}},
    "path": "pictures",
    "listing": "abc",
}
"""Of the first version, as far as it went."""
LATER: dict[str, Any] = {
    **FIRST,
    **{"pretrained": "published", "execution": {"micro_batches": 2}, "trials": 9},
    **{"content": "c", "stamp": "s", "weights": "w.pt", "unlabeled": ["more"], "tested": 4},
    **{"classes": ["x", "y"], "channels": {"count": 5}, "variant": "mt:lambda_mt=1", "trial": "t"},
    **{"trackers": ["tensorboard"], "plugins": {"a.py": "x"}, "helpers": {"a.py": {"b.py": "y"}}},
    **{"checkpoint_seconds": 5.0, "checkpoint_steps": 7, "hang_seconds": 60.0},
}
"""Of one in which what is now an order stood in the cell."""
SINCE = ("schema", "shift", "observe", "timed")
"""What orders hold besides, since then."""


def test_what_earlier_versions_wrote_keeps_its_name() -> None:
    first, later = Order.from_json(FIRST), Order.from_json(LATER)
    assert first.cell.id == "night-pairs-2-unet-small-mt-seed3-e10de3ec26"
    assert later.cell.id == "night-pairs-2-unet-small-mt-seed3-deee32de2c"
    assert (first.path, first.listing, first.content, first.checkpoint_steps) == ("pictures", "abc", "", None)
    assert (first.cell.execution, first.cell.channels, first.cell.trials) == (PLAIN, RGB, None)
    assert (later.cell.execution, later.cell.channels) == (Execution(micro_batches=2), Channels(5))
    assert (later.weights, later.trackers, later.helpers) == (
        "w.pt",
        ("tensorboard",),
        {"a.py": {"b.py": "y"}},
    )
    assert later.cell.training.crop == 32


def test_the_form_has_stayed() -> None:
    order = Order.from_json(LATER)
    written = json.loads(json.dumps(order.to_json()))
    assert {name: written[name] for name in LATER if name not in ("channels", "split")} == {
        name: LATER[name] for name in LATER if name not in ("channels", "split")
    }
    assert {*written} == {*LATER, *SINCE}
    assert Order.from_json(written) == order


def test_no_field_means_two_things() -> None:
    assert not {one.name for one in fields(Cell)} & {one.name for one in fields(Order)}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({**FIRST, "cell": FIRST}, "it has 'cell'"),
        ({**FIRST, "zeal": 1}, "it has 'zeal'"),
        ({**FIRST, "seed": "x"}, "seed: "),
        ({**FIRST, "hang_seconds": "x"}, "hang_seconds: "),
        ({**FIRST, "execution": {"warp": 9}}, r"execution\.warp: "),
    ],
)
def test_what_is_none_is_refused(content: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=f"^no cell of this version of ssl-bench: {words}"):
        Order.from_json(content)


def test_what_was_only_timed_there_does_not_count_for_a_run(tmp_path: Path) -> None:
    order = Order.from_json(LATER)
    store = ResultStore(tmp_path)
    folder = store.stage(order)
    write_json(folder.estimate, {"cost": {"seconds": 1.0}, "device": "a CPU"})
    job = Job(order.cell.id, folder.path)
    assert is_finished(job)
    store.stage(order)
    assert not is_finished(job)
