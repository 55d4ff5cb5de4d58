"""Entry points to a registry, and everything that can go wrong on the way."""

import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.cli.data.check import find_layout
from ssl_bench.errors import PluginError, SslBenchError, UsageError
from ssl_bench.hookspecs import hookimpl
from ssl_bench.plan.plan import make_plan
from ssl_bench.plan.recipe_checks import ANSWERS
from ssl_bench.plan.request import Request
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry, pick
from ssl_bench.specs import BackboneSpec, DatasetSpec, MethodConfig, MethodSpec, TrackerSpec


def plugin(name: str, **hooks: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    for hook, value in hooks.items():

        def implementation(value: Any = value) -> Any:
            if isinstance(value, BaseException):
                raise value
            return value

        implementation.__name__ = hook
        setattr(module, hook, hookimpl(lambda value=value: implementation(value)))
    return module


def spec(name: str) -> MethodSpec:
    return MethodSpec(name=name, title=name.title(), method="nowhere:Nothing")


def test_built_ins_are_there_with_their_provider() -> None:
    registry = load_registry()
    assert not registry.failures
    assert [s.title for s in registry.sorted("tasks")] == [
        "Semantic Segmentation",
        "Real Image Denoising",
        "Portrait Image Matting",
        "Night Image Enhancement",
    ]
    assert {"supervised", "mt", "full"} <= set(registry.entries["methods"])
    assert registry.providers["methods", "mt"].distribution == "ssl-bench"


def test_a_plugin_adds_a_method() -> None:
    registry = load_registry([plugin("mine", provide_methods=[spec("pi")])], installed=False)
    assert registry.method("pi").title == "Pi"
    assert registry.providers["methods", "pi"].plugin == "mine"


def test_a_name_taken_twice_names_both_owners() -> None:
    plugins = [plugin("one", provide_methods=[spec("pi")]), plugin("two", provide_methods=[spec("pi")])]
    with pytest.raises(PluginError, match=r"'pi'.*'one'.*'two'"):
        load_registry(plugins, installed=False)


def test_a_misspelt_hook_is_an_error() -> None:
    with pytest.raises(PluginError, match="provide_method"):
        load_registry([plugin("mine", provide_method=[])], installed=False)


def test_a_hook_must_return_its_own_specs() -> None:
    with pytest.raises(PluginError, match=r"mine.*provide_tasks must return TaskSpec"):
        load_registry([plugin("mine", provide_tasks=[spec("pi")])], installed=False)


@pytest.mark.parametrize("name", ["", "Pi", "../pi", "a b", "<b>"])
def test_a_name_must_be_safe(name: str) -> None:
    with pytest.raises(PluginError, match="lower-case"):
        load_registry([plugin("mine", provide_methods=[spec(name)])], installed=False)


def test_a_hook_that_raises_is_reported_and_the_rest_works() -> None:
    broken = plugin("broken", provide_methods=RuntimeError("no\nlicence"))
    registry = load_registry([broken, plugin("mine", provide_methods=[spec("pi")])], installed=False)
    assert registry.failures == {"broken": "RuntimeError: no"}
    assert registry.method("pi")
    with pytest.raises(SslBenchError, match=r"unknown method 'gctt'.*broken"):
        registry.method("gctt")


def test_a_hook_that_exits_is_reported_and_nothing_of_its_plugin_stays() -> None:
    backbones = [BackboneSpec(name="half", backbone="nowhere:build")]
    broken = plugin("broken", provide_backbones=backbones, provide_methods=SystemExit("bye"))
    registry = load_registry([broken, plugin("mine", provide_methods=[spec("pi")])], installed=False)
    assert registry.failures == {"broken": "SystemExit: bye"}
    assert registry.method("pi")
    assert not registry.entries["backbones"]
    assert ("backbones", "half") not in registry.providers


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("position", "5"),
        ("title", None),
        ("role", "baselin"),
        ("labels", "everything"),
        ("config", dict),
        ("config", MethodConfig()),
        ("name", 3),
    ],
)
def test_a_description_that_cannot_be_is_reported_and_the_rest_works(field: str, value: object) -> None:
    bad = replace(spec("pi"), **{field: value})
    plugins = [plugin("broken", provide_methods=[bad]), plugin("mine", provide_methods=[spec("fine")])]
    registry = load_registry(plugins, installed=False)
    assert set(registry.entries["methods"]) == {"fine"}
    assert f"has {field}={value!r:.60}: " in registry.failures["broken"]
    assert pick(registry, "methods", ["all"], registry.method) == ["fine"]


@pytest.mark.parametrize(
    ("defaults", "words"),
    [
        (
            {"tier_defaults": {"lite": {"night": {"x": 1}}}},
            "tier_defaults of night in tier lite are no Found",
        ),
        ({"tier_defaults": {"light": {}}}, "tier_defaults name tier 'light'; there are smoke, lite, paper"),
        ({"kind_defaults": {"regresion": {}}}, "kind_defaults name 'regresion'; kinds are classification, "),
    ],
)
def test_defaults_that_would_serve_nobody_are_reported(defaults: dict[str, object], words: str) -> None:
    bad = replace(spec("pi"), config=type("Bad", (MethodConfig,), defaults))
    registry = load_registry([plugin("broken", provide_methods=[bad])], installed=False)
    assert not registry.entries["methods"]
    assert registry.failures["broken"].startswith(f"method 'pi': {words}")


@pytest.mark.parametrize(
    ("question", "given", "words"),
    [
        *((name, RuntimeError("no\nkey"), r"fails \(RuntimeError: no\)") for name in ANSWERS),
        ("rows_together", 0, "gives 0: input should be greater than or equal to 1"),
        ("backbones", "unet-small", "gives 'unet-small': "),
        ("misplaced", True, "gives True: input should be a valid string"),
    ],
)
def test_what_a_config_answers_amiss_names_the_plugin(question: str, given: object, words: str) -> None:
    def answer(*arguments: object) -> object:
        if isinstance(given, Exception):
            raise given
        return given

    config = type("Bad", (MethodConfig,), {question: answer})
    mine = replace(spec("pi"), method="ssl_bench_plugins.methods.mean_teacher:MeanTeacher", config=config)
    registry = load_registry([plugin("mine", provide_methods=[mine])])
    with pytest.raises(
        PluginError, match=f"^plugin 'mine': {question} of method 'pi' {words}.*; mend or uninstall"
    ):
        make_plan(registry, Request(tasks="night", methods="pi"))


def test_a_data_set_of_a_misspelt_task_is_not_denied() -> None:
    pairs = DatasetSpec(name="x1", task="nigth", dataset="ssl_bench_tasks.layouts.pairs:ImagePairs")
    registry = load_registry([plugin("mine", provide_datasets=[pairs])])
    words = "^unknown task 'nigth' of data set 'x1'; did you mean 'night'"
    with pytest.raises(UsageError, match=words):
        registry.dataset("night", "x1")
    with pytest.raises(UsageError, match=words):
        find_layout(registry, Path(), None, "x1")
    with pytest.raises(UsageError, match=words):
        make_plan(registry, Request(tasks="night", data="night=.", dataset="night=x1"))
    with pytest.raises(UsageError, match="unknown dataset for task 'night' 'x2'"):
        registry.dataset("night", "x2")


def raising(*arguments: object) -> str:
    raise RuntimeError("no\nkey")


def test_what_a_plugins_function_raises_names_the_plugin() -> None:
    backbone = BackboneSpec(name="family", backbone="nowhere:build", matches=raising)
    hooks = {"provide_methods": [replace(spec("pi"), unsupported=raising)], "provide_backbones": [backbone]}
    registry = load_registry([plugin("mine", **hooks)])
    words = r"^plugin 'mine': unsupported of method 'pi' fails \(RuntimeError: no\); mend or uninstall"
    with pytest.raises(PluginError, match=words):
        registry.method("pi").unsupported(registry.task("night"))
    with pytest.raises(PluginError, match="'mine': matches of backbone 'family' fails"):
        registry.backbone("unet-small")


def test_a_backbone_that_two_plugins_build_names_both() -> None:
    def mine(matches: Callable[[str], bool]) -> Registry:
        found = BackboneSpec(name="greedy", backbone="nowhere:build", position=0, matches=matches)
        return load_registry([plugin("mine", provide_backbones=[found])])

    greedy = mine(lambda name: True)
    for name in ("unet-small", "deeplabv2/resnet50"):
        with pytest.raises(
            PluginError, match=rf"'{name}' is provided twice: by 'greedy'.*'mine'.*by '.*ssl-bench"
        ):
            greedy.backbone(name)
    family = mine(lambda name: name.startswith("greedy/"))
    assert family.backbone("greedy/small").name == "greedy"
    names = {"unet-small": "unet-small", "deeplabv2/resnet50": "deeplabv2", "unet/resnet18": "smp"}
    assert {name: family.backbone(name).name for name in names} == names


def test_no_method_is_called_as_a_task() -> None:
    with pytest.raises(PluginError, match=r"'night' is a task, .* and a method, by plugin 'mine'"):
        load_registry([plugin("mine", provide_methods=[spec("night")])])


def test_what_cannot_be_loaded_names_its_plugin() -> None:
    lost = f"{__name__}:Lost"
    datasets = [DatasetSpec(name="lost", task="night", dataset=lost)]
    trackers = [TrackerSpec(name="lost", title="Lost", tracker=lost)]
    registry = load_registry([plugin("mine", provide_datasets=datasets, provide_trackers=trackers)])
    words = r"'(night/)?lost' of plugin 'mine' cannot be loaded \(AttributeError: "
    with pytest.raises(PluginError, match=f"tracker {words}"):
        registry.require_tracker("lost")
    with pytest.raises(PluginError, match=f"dataset {words}"):
        registry.load_dataset(registry.dataset("night", "lost"))
    found, (line,) = registry.layouts(registry.datasets_of("night"))
    assert {"pairs", "synthetic"} <= {spec.name for spec, _ in found}
    assert line.startswith("passed over: dataset 'night/lost' of plugin 'mine'")


def test_unknown_names_come_with_a_suggestion() -> None:
    registry = load_registry()
    for call, wrong, right in [
        (registry.task, "segmentaton", "segmentation"),
        (registry.method, "supervized", "supervised"),
        (registry.backbone, "unet-smal", "unet-small"),
        (registry.executor, "locl", "local"),
    ]:
        with pytest.raises(SslBenchError, match=f"unknown .*'{wrong}'; did you mean '{right}'"):
            call(wrong)


def test_pick_keeps_the_order_of_tables() -> None:
    registry = load_registry()
    assert pick(registry, "methods", ["mt", "supervised", "mt"], registry.method) == ["supervised", "mt"]
    assert len(pick(registry, "tasks", ["all"], registry.task)) == 4
    with pytest.raises(SslBenchError, match="no tasks named"):
        pick(registry, "tasks", [], registry.task)


def test_backbones_answer_to_decoder_and_encoder() -> None:
    registry = load_registry()
    registry.check_backbone("unet/resnet18")
    registry.check_backbone("dpt/vit_tiny_patch16_224")
    with pytest.raises(SslBenchError, match="'unet/vit_tiny_patch16_224' cannot be built"):
        registry.check_backbone("unet/vit_tiny_patch16_224")
    with pytest.raises(SslBenchError, match="did you mean 'resnet18'"):
        registry.check_backbone("unet/resnet81")
    with pytest.raises(SslBenchError, match=r"unknown decoder 'unett'.*did you mean 'unet'"):
        registry.check_backbone("unett/resnet18")
