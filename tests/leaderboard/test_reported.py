"""Published numbers stand in tables of their own; a verdict is passed only where settings match."""

import types
from dataclasses import replace
from typing import Any

import pytest
from test_leaderboard import Change, example, grids, make
from test_registry import plugin
from written import main_table, render

from ssl_bench.leaderboard.documents.reported import verdict
from ssl_bench.published import ClaimSpec
from ssl_bench.recipe import Recipe
from ssl_bench.registry.loading import load_registry

CLAIM = ClaimSpec(
    name="paper",
    title="Net | <b>",
    task="segmentation",
    metric="miou",
    dataset="voc",
    backbone="net",
    scores={"Sup": {"1/8": 65.6}, "MT": {"1/8": 67.5, "all": 73.59}, "CCT": {"1/8": 70.0}},
    labeled={"1/8": 8, "all": 64},
    source="A paper",
    split="drawn",
    selection="last",
    methods={"Sup": "supervised", "MT": "mt"},
    tier="lite",
    training_images=64,
)


RECIPE = Recipe(iterations=600)


def stored(**changes: Any) -> dict[str, Any]:
    return {**RECIPE.stored(), **changes}


def run(method: str, seed: int, score: float, **changes: object) -> Change:
    return make(
        "segmentation", method, seed, score, **{"cell__dataset": "voc", "cell__backbone": "net", **changes}
    )


def test_built_in_claims_are_those_of_the_source() -> None:
    claims = {claim.name: claim for claim in load_registry().claims}
    deeplab, pspnet = claims["pixelssl-deeplabv2"], claims["pixelssl-pspnet"]
    assert deeplab.scores["GCT"] == {"1/16": 65.18, "1/8": 70.57, "1/4": 71.53, "1/2": 72.45, "full": 74.06}
    assert sum(sum(scores.values()) for scores in deeplab.scores.values()) == pytest.approx(1729.94, abs=0.01)
    assert pspnet.scores["CutMix"] == {"1/16": 69.21, "1/8": 70.82, "1/4": 71.69, "1/2": 73.86}
    assert sum(sum(scores.values()) for scores in pspnet.scores.values()) == pytest.approx(1745.32, abs=0.01)
    # As splits of our own are rounded.
    assert deeplab.labeled == {"1/16": 662, "1/8": 1323, "1/4": 2646, "1/2": 5291, "full": 10582}


def test_claims_of_modern_methods_hold_together() -> None:
    claims = {claim.name: claim for claim in load_registry().claims}
    modern = [claim for claim in claims.values() if claim.position > 2]
    assert len(modern) >= 7
    for claim in modern:
        assert claim.labeled.keys() == {label for scores in claim.scores.values() for label in scores}
        assert claim.steps.keys() <= claim.scores.keys()
        assert all(steps.keys() <= claim.labeled.keys() for steps in claim.steps.values())
        assert "github.com/" in claim.source
        # No network of ours is the very same, so that none is judged.
        assert not claim.backbone
    steps = claims["unimatch-deeplabv3plus-r101"].steps
    # 80 epochs: of 23 labelled images on each of 4 GPUs in batches of 4, of 2,623 unlabelled ones in batches of 2.
    assert steps["SupBaseline"]["1/16"] == 80 * (23 // 4)
    assert steps["UniMatch"]["1/16"] == 80 * (2623 // 2)
    assert claims["unimatch2-dpt-small"].scores["UniMatch V2, encoder frozen"]["1/16"] == 81.4
    assert claims["unimatch2-dpt-small"].steps["Labelled only"]["full"] == 60 * (3000 // 4 // 8)


def test_steps_of_published_runs_stand_beside_their_scores() -> None:
    steps = {"Sup": {"1/8": 400}, "MT": {"1/8": 104_880, "all": 91_200}}
    scores, lengths = grids(render(example(), claims=[replace(CLAIM, steps=steps)])["reported.md"])
    assert lengths == [
        ["Methods", "1/8", "all"],
        ["Sup", "400", "-"],
        ["MT", "104,880", "91,200"],
        ["CCT", "-", "-"],
    ]
    assert [row[0] for row in scores] == [row[0] for row in lengths]


def test_claims_stand_apart_and_change_no_other_file() -> None:
    files, without = render(example(), claims=[CLAIM]), render(example())
    assert {name for name in files if files[name] != without[name]} == {"reported.md"}
    (table,) = grids(files["reported.md"])
    assert table == [
        ["Methods", "1/8 (8)", "all (64)"],
        ["Sup", "65.60", "-"],
        ["MT", "67.50", "73.59"],
        ["CCT", "70.00", "-"],
    ]
    assert "No run here has the same data set, network and number of labels." in files["reported.md"]
    assert r"Net \| &lt;b&gt;" in files["reported.md"]
    assert "No published numbers are known" in without["reported.md"]
    elsewhere = render([make("night", "mt", 0, 18.0)], claims=[CLAIM])
    assert "No published numbers are known" in elsewhere["reported.md"]


def test_a_verdict_where_settings_match() -> None:
    # 67.5 lies within 68 ± 4.30 * 1 / sqrt(3); 65.6 is not within 61 ± 2.48.
    runs = [run("mt", seed, 67.0 + seed) for seed in range(3)] + [
        run("supervised", seed, 60.0 + seed) for seed in range(3)
    ]
    _, beside = grids(render(runs, claims=[CLAIM])["reported.md"])
    assert beside[1:] == [
        ["SupOnly", "1/8", "lite", "65.60", "61.00 ± 1.00 (n=3)", "differs: measured 4.60 below reported"],
        ["MT", "1/8", "lite", "67.50", "68.00 ± 1.00 (n=3)", "agrees: within the 95 % interval"],
    ]
    assert "70.00" not in main_table(runs)


@pytest.mark.parametrize(
    "changes",
    [
        {"cell__dataset": "camvid"},
        {"cell__backbone": "other"},
        {"cell__split__labeled": 9},
        # The layout of a set that it is not.
        {"cell__split__unlabeled": 22},
    ],
)
def test_no_verdict_where_settings_differ(changes: dict[str, object]) -> None:
    assert len(grids(render([run("mt", 0, 67.0, **changes)], claims=[CLAIM])["reported.md"])) == 1


@pytest.mark.parametrize(
    ("changes", "claim", "said"),
    [
        ({"cell__tier": "smoke"}, {}, "none: tier smoke for lite"),
        ({}, {"pretrained": True}, "none: from scratch"),
        ({"cell__pretrained": "resnet 0123"}, {}, "none: pretrained"),
        ({"cell__pretrained": "resnet 0123"}, {"pretrained": True}, "agrees: within the 95 % interval"),
        ({"cell__tier": "paper"}, {"pretrained": True}, "none: tier paper for lite, from scratch"),
        ({"config__recipe": stored(iterations=10)}, {"recipe": RECIPE}, "none: other recipe (iterations)"),
        (
            {"config__recipe": stored(batch_norm="frozen", optimizer={"name": "sgd"})},
            {"recipe": RECIPE},
            "none: other recipe (batch_norm, optimizer.name)",
        ),
        # How often it is evaluated changes nothing, and what an earlier version did not store is not known.
        ({"config__recipe": stored(evaluations=9)}, {"recipe": RECIPE}, "agrees: within the 95 % interval"),
        ({"config__recipe": {"iterations": 600}}, {"recipe": RECIPE}, "agrees: within the 95 % interval"),
    ],
)
def test_what_was_trained_otherwise_is_shown_and_not_judged(
    changes: dict[str, object], claim: dict[str, object], said: str
) -> None:
    runs = [run("mt", seed, 67.0 + seed, **changes) for seed in range(3)]
    _, beside = grids(render(runs, claims=[replace(CLAIM, **claim)])["reported.md"])  # type: ignore[arg-type]
    assert beside[1][-3:] == ["67.50", "68.00 ± 1.00 (n=3)", said]


def test_verdicts_by_hand() -> None:
    assert verdict(70.0, {("a", "0"): 71.0}, 2) == "a single run, measured 1.00 above reported"
    two = {("a", "0"): 70.0, ("a", "1"): 71.0}
    # 12.71 * 0.7071 / sqrt(2) = 6.35.
    assert verdict(76.8, two, 1) == "agrees: within the 95 % interval"
    assert verdict(77.0, two, 1) == "differs: measured 6.5 below reported"


def test_a_plugin_adds_claims() -> None:
    module: types.ModuleType = plugin("mine", provide_claims=[CLAIM])
    claims = load_registry([module], installed=False).claims
    assert [claim.name for claim in claims] == ["paper"]
    table = render([run("mt", seed, 67.0 + seed) for seed in range(3)], claims=claims)["reported.md"]
    assert "## Semantic Segmentation: Net" in table
    assert "agrees: within the 95 % interval" in table
    assert claims[0].recipe is None
    # Beside those that are built in, by the door that everybody uses.
    names = [claim.name for claim in load_registry([module]).claims]
    assert {"paper", "pixelssl-deeplabv2", "pixelssl-pspnet"} <= set(names)
    # Each with the recipe of its task's tier.
    registry = load_registry([module])
    assert {claim.name: claim.recipe for claim in registry.claims}["paper"] == registry.task(
        "segmentation"
    ).recipes["lite"]
