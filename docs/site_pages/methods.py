"""Methods with their references, deviations and settings, and recipes, read off what plugins provide."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from site_pages.markdown import code, table
from site_pages.source import module_text
from ssl_bench.plan.settings import resolve_config, trials_behind
from ssl_bench.recipe import TIERS, Tier, flat
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import MethodSpec, TaskSpec, module_of

SIGNS = {
    annotated_types.Ge: ("ge", "≥"),
    annotated_types.Gt: ("gt", ">"),
    annotated_types.Le: ("le", "≤"),
    annotated_types.Lt: ("lt", "<"),
}


@cache
def registry() -> Registry:
    """What this distribution provides: the site says nothing of other plugins that happen to be installed."""
    return load_registry()


def built_in(kind: str) -> list[Any]:
    """Descriptions of a kind that come with ssl-bench."""
    known = registry()
    return [
        spec for spec in known.sorted(kind) if known.providers[kind, spec.key].distribution == "ssl-bench"
    ]


def overview() -> str:
    """All methods, a row each."""
    rows = [
        [f"[{spec.title}]({spec.name}.md)", code(spec.name), _role(spec), spec.reference]
        for spec in built_in("methods")
    ]
    return table(["method", "name", "role", "reference"], rows)


def method(name: str, *further: str) -> str:
    """Reference, deviations and settings of a method; `further`: modules whose deviations count as well."""
    spec = registry().method(name)
    module = module_of(spec.method)
    parts: list[str] = []
    if spec.reference:  # What has none deviates from nothing.
        links = re.findall(r"https://arxiv\.org/abs/[\d.]+\d", module_text(module))
        parts += ["## Reference\n", f"{spec.reference}. <{links[0]}>\n"]
        deviations = [*_deviations(module), *map(_deviation_of_part, further)]
        if deviations:
            parts += ["## Where it differs from the paper\n", "\n\n".join(deviations) + "\n"]
    parts += ["## Settings\n", _settings(spec)]
    return "\n".join(parts)


def recipes(tier: Tier) -> str:
    """The recipe of each task in a tier."""
    tasks: list[TaskSpec] = built_in("tasks")
    columns = [
        {**flat(task.recipes[tier].model_dump(mode="json")), "network": task.backbones[tier]}
        for task in tasks
    ]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [[code(name), *(_value(column.get(name, "-")) for column in columns)] for name in names]
    return table(["setting", *(task.title for task in tasks)], rows)


def datasets() -> str:
    """Layouts of folders, by task, as `ssl-bench data list` says them."""
    from ssl_bench.specs import resolve

    rows = [
        [code(spec.task), code(spec.name), spec.title, resolve(spec.dataset).layout]
        for spec in built_in("datasets")
        if spec.needs_path
    ]
    return table(["task", "name", "", "what is looked for"], rows)


def _role(spec: MethodSpec) -> str:
    words = {"upper_bound": "upper bound", "ssl": "semi-supervised"}
    return words.get(spec.role, spec.role)


def _deviations(module: str) -> Iterable[str]:
    """The paragraph of a docstring that begins with `Deviation`, and what follows it."""
    found = re.search(r"^Deviations?[:,].*", module_text(module), flags=re.MULTILINE | re.DOTALL)
    if found:
        text = (
            found[0].partition(":")[2].strip()
            if found[0].startswith(("Deviations:", "Deviation:"))
            else found[0]
        )
        yield text[0].upper() + text[1:]


def _deviation_of_part(module: str) -> str:
    """What a module says that a page names for it. LookupError where it says nothing."""
    for text in _deviations(module):
        return text
    raise LookupError(f"{module}: no paragraph of its docstring begins with 'Deviations:'")


def _settings(spec: MethodSpec) -> str:
    fields = spec.config.model_fields
    if not fields:
        return "None of its own; the recipe of the task says the rest.\n"
    tasks: list[TaskSpec] = built_in("tasks")
    configs = [resolve_config(task, spec, {}) for task in tasks]
    rows = []
    for name, info in fields.items():
        values = [_value(getattr(config, name)) for config in configs]
        symbol = info.json_schema_extra.get("symbol") if isinstance(info.json_schema_extra, dict) else None
        meaning = " ".join(filter(None, [f"${symbol}$:" if symbol else "", info.description, _range(info)]))
        rows.append([code(f"{spec.name}.{name}"), meaning, *values])
    text = (
        f"Change one by `--set`, as in `--set {spec.name}.{next(iter(fields))}=…`, or in a row of its own, as in "
        f"`--methods '{spec.name},{spec.name}:{next(iter(fields))}=…'`. Defaults by task, those of tier `paper`:\n\n"
    )
    grid = table(["setting", "", *(task.title for task in tasks)], rows)
    return f'{text}<div class="settings" markdown>\n\n{grid}\n</div>\n{of_tiers(spec, tasks)}'


def of_tiers(spec: MethodSpec, tasks: Sequence[TaskSpec]) -> str:
    """A table for each tier that has settings of its own: what it has in place of those of `paper`."""
    parts = []
    for tier in TIERS:
        configs = [resolve_config(task, spec, {}, tier) for task in tasks]
        published = [resolve_config(task, spec, {}) for task in tasks]
        rows = []
        for name in spec.config.model_fields:
            pairs = [
                (getattr(own, name), getattr(other, name))
                for own, other in zip(configs, published, strict=True)
            ]
            if any(own != other for own, other in pairs):
                rows.append(
                    [
                        code(f"{spec.name}.{name}"),
                        *(_value(own) if own != other else "" for own, other in pairs),
                    ]
                )
        if rows:
            trials = [
                trials_behind(task, spec, config, tier) for task, config in zip(tasks, configs, strict=True)
            ]
            rows.append(["trials of the search", *("" if count is None else str(count) for count in trials)])
            grid = table(["setting", *(task.title for task in tasks)], rows)
            parts.append(f"\nIn tier `{tier}`, where it has others:\n\n{grid}\n")
    return "".join(parts)


def _range(info: FieldInfo) -> str:
    if get_origin(info.annotation) is Literal:
        return "(" + ", ".join(code(str(value)) for value in get_args(info.annotation)) + ")"
    bounds = [
        f"{sign} {getattr(mark, name)}"
        for mark in info.metadata
        for kind, (name, sign) in SIGNS.items()
        if isinstance(mark, kind)
    ]
    return f"({', '.join(bounds)})" if bounds else ""


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    return "none" if value is None else str(value)
