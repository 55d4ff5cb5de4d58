"""Methods with settings as rows, the control beside them, and what a tier says of methods and labels."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from conftest import Said
from pydantic import Field
from toyruns import TASKS, build, learnt
from trees import save

from ssl_bench.errors import UsageError
from ssl_bench.hookspecs import hookimpl
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Plan, Request, make_plan
from ssl_bench.plan.settings import resolve_config
from ssl_bench.plan.text_forms import split_outside
from ssl_bench.plan.variants import pick_variants
from ssl_bench.recipe import TIERS
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import Found, MethodConfig, MethodSpec, TaskSpec
from ssl_bench.store.results import ResultStore
from ssl_bench.testing import check_method
from ssl_bench.worker.worker import run_cell
from ssl_bench_plugins.methods.mean_teacher import MeanTeacher

REGISTRY = load_registry()
Command = Callable[..., Said]


class TunedConfig(MethodConfig):
    weight: float = Field(1.0, ge=0)
    steps: tuple[int, ...] = (1, 2)
    words: str = ""

    kind_defaults: ClassVar = {"regression": {"weight": 2.0}}
    tier_defaults: ClassVar = {
        "smoke": {"regression": Found({"weight": 3.0}, 6), "night": Found({"steps": (7,)}, 12)},
        "lite": {"night": Found({"weight": 5.0})},
    }


class Tuned:
    """A plugin whose method has settings for each tier."""

    @hookimpl
    def provide_methods(self) -> list[MethodSpec]:
        return [MethodSpec(name="tuned", title="Tuned", method=MeanTeacher, config=TunedConfig)]


WITH_TUNED = load_registry([Tuned()])


def plan(methods: str, registry: Registry = REGISTRY, **request: Any) -> Plan:
    return make_plan(registry, Request(**{"control": False, "tasks": "night", "methods": methods, **request}))


def order(methods: str, registry: Registry = REGISTRY, **request: Any) -> Order:
    (only,) = plan(methods, registry, **request).orders
    return only


def cell(methods: str, registry: Registry = REGISTRY, **request: Any) -> Cell:
    return order(methods, registry, **request).cell


def rows(made: Plan) -> list[str]:
    return [one.row for one in made.cells]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a, b:x=1 ,,c", ["a", "b:x=1", "c"]),
        ("a:x=[1,2],b", ["a:x=[1,2]", "b"]),
        ("a:x={y=[1,2], z=3},b", ["a:x={y=[1,2], z=3}", "b"]),
        ("""a:x="b,c",d:y='e,"f',g""", ['a:x="b,c"', """d:y='e,"f'""", "g"]),
        (" , ", []),
    ],
)
def test_commas_within_values_separate_nothing(text: str, parts: list[str]) -> None:
    assert split_outside(text, ",") == parts


def test_values_with_commas_and_semicolons() -> None:
    (one,) = pick_variants(WITH_TUNED, ['tuned:steps=[3, 4];words="a;b,c"'])
    assert (one.names, one.settings) == (("steps", "words"), {"steps": [3, 4], "words": "a;b,c"})
    assert cell("tuned:steps=[3,4]", WITH_TUNED).config["steps"] == [3, 4]
    assert rows(plan("mt:alpha_mt=0.5;eta_mt=1,supervised")) == ["supervised", "mt:alpha_mt=0.5;eta_mt=1"]


def test_a_variant_is_the_cell_that_its_settings_make() -> None:
    variant, plain = cell("mt: lambda_mt = 0 "), cell("mt")
    assert variant.id == cell("mt", settings=["mt.lambda_mt=0"]).id != plain.id
    assert (variant.row, plain.row) == ("mt:lambda_mt=0", "mt")
    assert variant.title == "night · mt:lambda_mt=0 · 2 labels · seed 0"
    assert variant.describe["method"]["variant"] == ["lambda_mt"]
    assert "variant" not in plain.describe["method"]
    ordered = order("mt:lambda_mt=0")
    assert ordered.cell.id == variant.id
    assert Order.from_json(json.loads(json.dumps(ordered.to_json()))) == ordered
    both = cell("gct:lambda_fc=0.01;lambda_dc=1")
    assert both.describe["method"]["variant"] == ["lambda_fc", "lambda_dc"]
    assert (both.config["lambda_fc"], both.config["lambda_dc"]) == (0.01, 1.0)


def test_rows_stand_in_the_order_of_the_tables_and_none_twice() -> None:
    assert rows(plan("mt:lambda_mt=0,gct,mt,supervised,mt")) == ["supervised", "mt", "mt:lambda_mt=0", "gct"]
    # Two that come to the same settings are one, and the plain one gives the name.
    made = plan("mt:lambda_mt=1,mt,mt:lambda_mt=1.0", labels="2")
    assert rows(made) == ["mt"]
    assert made.notes == tuple(f"night: mt:lambda_mt={one} is what mt is here" for one in ("1", "1.0"))
    names = [spec.name for spec in REGISTRY.sorted("methods")]
    place = names.index("gct") + 1
    pretrained = plan("all,gct:paper;xi=0.5", backbones="fpn/tf_efficientnet_lite0")
    assert rows(pretrained) == [*names[:place], "gct:paper;xi=0.5", *names[place:]]


def test_sets_among_the_settings_are_stored_in_one_order() -> None:
    class WithSets(MethodConfig):
        words: frozenset[str]
        within: dict[str, tuple[frozenset[frozenset[int]], ...]]

    # Sets keep what collides in the order in which it came, as they keep texts in another in every process.
    sets = [frozenset(order) for order in ((8, 0, 16), (16, 0, 8))]
    assert len({tuple(one) for one in sets}) == 2
    letters = "qwertyuiopasdfghjklzxcvbnm"
    stored = [WithSets(words=frozenset(letters), within={"a": (frozenset({one}),)}).stored() for one in sets]
    assert stored == [{"words": sorted(letters), "within": {"a": [[[0, 16, 8]]]}}] * 2


def test_a_variant_goes_before_set_which_holds_for_all() -> None:
    made = plan("mt,mt:lambda_mt=0", settings=["mt.lambda_mt=2", "night.mt.alpha_mt=0.5"])
    assert [(one.config["lambda_mt"], one.config["alpha_mt"]) for one in made.cells] == [(2, 0.5), (0, 0.5)]


def test_settings_of_a_tier_are_its_own_whatever_set_says() -> None:
    plain, paper, lite = plan(
        "tuned,tuned:paper,tuned:lite;words=x", WITH_TUNED, settings=["tuned.weight=9"], trials=["tuned=4"]
    ).cells
    assert [one.config["weight"] for one in (plain, paper, lite)] == [9.0, 2.0, 5.0]
    assert [tuple(one.config["steps"]) for one in (plain, paper, lite)] == [(7,), (1, 2), (1, 2)]
    assert [one.describe["method"].get("variant") for one in (plain, paper, lite)] == [
        None,
        ["paper"],
        ["lite", "words"],
    ]
    # The number of trials speaks for what was searched, and not for what is published.
    assert [one.trials for one in (plain, paper, lite)] == [4, None, None]
    assert {one.tier for one in (plain, paper, lite)} == {"smoke"}


@pytest.mark.parametrize(
    ("tier", "task", "settings", "expected", "trials"),
    [
        ("smoke", "night", [], (3.0, [7]), 12),
        ("smoke", "denoising", [], (3.0, [1, 2]), 6),
        ("smoke", "segmentation", [], (1.0, [1, 2]), None),
        ("lite", "night", [], (5.0, [1, 2]), None),
        ("paper", "night", [], (2.0, [1, 2]), None),
        ("smoke", "night", ["tuned.weight=3"], (3.0, [7]), 12),
        ("smoke", "night", ["tuned.weight=4"], (4.0, [7]), None),
    ],
)
def test_what_a_tier_says_of_a_method(
    tier: str, task: str, settings: list[str], expected: tuple[Any, ...], trials: int | None
) -> None:
    network = {"backbones": "unet-small", "pretrained": False}
    found = cell("tuned", WITH_TUNED, tasks=task, tier=tier, settings=settings, **network)
    assert (found.config["weight"], found.config["steps"]) == expected
    assert found.trials == trials
    assert found.id == cell("tuned", WITH_TUNED, tasks=task, tier=tier, settings=settings, **network).id


def test_what_a_task_says_of_a_method_goes_before_the_tier() -> None:
    method = WITH_TUNED.method("tuned")
    task = replace(WITH_TUNED.task("night"), method_defaults={"tuned": {"weight": 8.0}})
    registry = with_task(WITH_TUNED, task)
    assert resolve_config(task, method, {}, "smoke").model_dump()["weight"] == 8.0
    assert cell("tuned", registry).trials is None


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ("mtt:lambda_mt=0", "unknown method 'mtt'; did you mean 'mt'"),
        ("mt:lamda_mt=0", "unknown field 'mt:lamda_mt'; did you mean 'mt:lambda_mt'"),
        ("mt:papr", "unknown tier 'mt:papr'; did you mean 'mt:paper'"),
        ("mt:", "write mt:FIELD=VALUE"),
        ("mt:lambda_mt", "write mt:lambda_mt=VALUE"),
        ("mt:lambda_mt=-1", "method 'mt:lambda_mt=-1': lambda_mt=-1: .*greater than or equal to 0"),
        ("mt:lambda_mt=0;lambda_mt=1", "'lambda_mt' is given twice"),
        ("mt:lite;paper", "settings of one tier, not of lite and paper"),
        ("control:lambda_mt=1", "less than or equal to 0"),
        ("tuned:steps={a=1}", "steps"),
        (" , ", "no methods named"),
    ],
)
def test_variants_that_are_none(methods: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        plan(methods, WITH_TUNED)
    assert "\n" not in str(error.value)


def test_commands_and_suites_take_variants(command: Command, tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(
        'tasks = "night"\nmethods = ["supervised", "mt:lambda_mt=0", "gct:lambda_fc=0.01;lambda_dc=1"]\n'
        'split-seeds = [0, 2]\nseeds = "0-1"\ncontrol = false\n[set]\nmt.alpha_mt = 0.5\n'
    )
    said = command("plan", suite, "--out", tmp_path)
    assert said.status == 0, said.err
    assert "12 cells: 12 to run" in said.out
    assert "run       mt:lambda_mt=0                  2 labels (2)       split 2  seed 1" in said.out
    assert "labels: night 2, as tier smoke has them" in said.out
    said = command("plan", suite, "--methods", "mt:lamda_mt=0")
    assert (said.status, len(said.err.splitlines())) == (2, 1)


# The control


def test_the_control_joins_what_learns_from_unlabelled_images() -> None:
    assert rows(plan("supervised,mt,full", control=True)) == ["supervised", "control", "mt", "full"]
    assert rows(plan("supervised,full", control=True)) == ["supervised", "full"]
    assert rows(plan("mt:lambda_mt=2", control=True)) == ["control", "mt:lambda_mt=2"]
    assert rows(plan("mt", control=False)) == ["mt"]
    # Named, in whatever form, it stands as it was named.
    assert rows(plan("control:alpha_mt=0.5,mt", control=True)) == ["control:alpha_mt=0.5", "mt"]
    assert rows(plan("control", control=False)) == ["control"]
    assert cell("control", settings=["control.alpha_mt=0.5"]).config["alpha_mt"] == 0.5


def test_the_control_stays_away_where_nothing_learns() -> None:
    class Choosy:
        @hookimpl
        def provide_methods(self) -> list[MethodSpec]:
            def unsupported(task: TaskSpec) -> str | None:
                return "needs classes" if task.kind == "regression" else None

            return [MethodSpec(name="choosy", title="Choosy", method=MeanTeacher, unsupported=unsupported)]

    made = plan("choosy", load_registry([Choosy()]), tasks="segmentation,night", control=True)
    assert [(one.task, one.method) for one in made.cells] == [
        ("segmentation", "control"),
        ("segmentation", "choosy"),
    ]


def test_the_control_is_mean_teacher_of_weight_0_bit_for_bit(tmp_path: Path) -> None:
    made = plan("control,mt:lambda_mt=0", settings=["night.iterations=6", "night.crop=32"])
    store = ResultStore(tmp_path)
    for one in made.orders:
        run_cell(store.stage(one).path, torch.device("cpu"), REGISTRY)
    records = [record for one in made.cells if (record := store.finished(one))]
    assert len(records) == len(made.cells)
    assert records[0].metrics == records[1].metrics
    assert records[0].per_image == records[1].per_image
    first, second = (
        torch.load(store.folder(one).path / "weights.pt", weights_only=True, map_location="cpu")
        for one in made.cells
    )
    assert list(flat(first)) == list(flat(second))
    assert all(torch.equal(value, flat(second)[name]) for name, value in flat(first).items())
    assert records[0].describe.method.role == "control"


def flat(state: Mapping[str, Any], prefix: str = "") -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, torch.Tensor):
            found[prefix + name] = value
    return found


@pytest.mark.parametrize("task", TASKS)
def test_a_teacher_that_is_not_asked_would_have_changed_nothing(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unasked = learnt(build(task, "mt", REGISTRY, norm=True, lambda_mt=0.0), task, void=True)
    ask = MeanTeacher._consistency

    def asked(self: MeanTeacher, *arguments: Any) -> torch.Tensor:
        own, self.config = self.config, self.config.model_copy(update={"lambda_mt": 1.0})
        try:
            return 0.0 * ask(self, *arguments)
        finally:
            self.config = own

    monkeypatch.setattr(MeanTeacher, "_consistency", asked)
    found = learnt(build(task, "mt", REGISTRY, norm=True, lambda_mt=0.0), task, void=True)
    assert found.keys() == unasked.keys()
    assert all(torch.equal(value, unasked[name]) for name, value in found.items())


def test_the_control_follows_mean_teacher_in_every_tier() -> None:
    for name in REGISTRY.entries["tasks"]:
        for tier in TIERS:
            task = REGISTRY.task(name)
            control = resolve_config(task, REGISTRY.method("control"), {}, tier)
            of_mt = resolve_config(task, REGISTRY.method("mt"), {"lambda_mt": 0}, tier)
            assert control.stored() == of_mt.stored()


def test_what_a_control_may_learn() -> None:
    assert check_method(REGISTRY.method("control"), "regression") == []
    wrong = replace(REGISTRY.method("mt"), role="control")
    assert "a control takes no gradient" in " ".join(check_method(wrong, "regression"))


# Splits and labels


def test_every_split_has_its_cells_and_all_labels_have_one() -> None:
    made = plan("supervised,full", split_seeds=(0, 1), seeds=(0, 1))
    assert [(one.method, one.split.seed, one.seed) for one in made.cells] == [
        *(("supervised", 0, 0), ("supervised", 0, 1), ("full", 0, 0), ("full", 0, 1)),
        *(("supervised", 1, 0), ("supervised", 1, 1)),
    ]
    assert "(split 1)" in made.cells[-1].title


def test_all_and_a_list_are_one_split(tmp_path: Path) -> None:
    chosen = cell("supervised", labels=("4",)).split.labeled
    (tmp_path / "list.txt").write_text("\n".join(chosen))
    for labels in ("all", str(tmp_path / "list.txt")):
        assert cell("supervised", labels=(labels,), split_seeds=(3, 4)).split.seed == 0


def with_task(registry: Registry, task: TaskSpec) -> Registry:
    tasks = {**registry.entries["tasks"], task.name: task}
    return replace(registry, entries={**registry.entries, "tasks": tasks})


def test_a_tier_says_how_many_images_are_labelled(tmp_path: Path) -> None:
    # One that states it, and one that does not.
    task = replace(REGISTRY.task("night"), labels={"smoke": "4"})
    registry = with_task(with_task(REGISTRY, task), replace(REGISTRY.task("matting"), labels={}))
    made = plan("supervised", registry, tasks="matting,night")
    assert [(one.task, one.split.source) for one in made.cells] == [("matting", "1/8"), ("night", "4")]
    assert made.notes == ("labels: matting 1/8, night 4, as tier smoke has them",)
    # What is given for one task leaves the others theirs.
    made = plan("supervised", registry, tasks="matting,night", labels=("matting=2",))
    assert [one.split.source for one in made.cells] == ["2", "4"]
    assert plan("supervised", registry, labels=("2",)).notes == ()
    for number in range(5):
        for kind in ("input", "target"):
            save(tmp_path / kind / f"{number}.png", 9)
    data = (f"night={tmp_path}",)
    few = plan("supervised", with_task(registry, replace(task, labels={"smoke": "64"})), data=data)
    there = len(few.sources["night"].dataset.train)
    assert few.notes[0] == f"night: all {there} images with labels are taken, fewer than the 64 of tier smoke"
    assert few.notes[1].startswith(
        "night: with 1 test image little can be told apart; hold more out (--test)"
    )
    assert len(few.cells[0].split.labeled) == there
    words = rf"--labels 64: .* fewer than 64, besides 1 to test on; give {there} or fewer"
    with pytest.raises(UsageError, match=words):
        plan("supervised", registry, data=data, labels=("64",))
