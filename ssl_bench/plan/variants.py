"""Methods as a command names them: plain, or with settings of their own as a row beside it. Torch-free.

    mt                                  the method
    mt:lambda_mt=0                      the method with that setting
    gct:lambda_fc=0.01;lambda_dc=1      with several
    gct:paper                           with the settings of a tier, whatever the command's

Commas separate methods and semicolons settings, but for those within quotes, brackets and braces: a list is
`name:field=[1,2]`, a text with a comma `name:field="a,b"`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ssl_bench.errors import UsageError, unknown
from ssl_bench.plan.settings import field_names, put
from ssl_bench.plan.text_forms import read_value, split_outside
from ssl_bench.recipe import TIERS, Tier
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import MethodSpec


@dataclass(frozen=True)
class Variant:
    """A method, and the settings by which a command makes a row of its own of it."""

    method: MethodSpec
    text: str
    """As it was named, without spaces around its parts."""
    names: tuple[str, ...] = ()
    """Fields and tiers that it names, in the order given; empty for the plain method."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Its fields to their values, those of models inside nested. They win over `--set`."""
    tier: Tier | None = None
    """Whose settings it takes, and none of `--set`; None: those of the command's tier, with `--set`."""


def plain(method: MethodSpec) -> Variant:
    """The method as it is."""
    return Variant(method, method.name)


def pick_variants(registry: Registry, asked: Sequence[str]) -> list[Variant]:
    """The variants of entries such as `a` and `b:x=1`; `all` stands for all methods.

    In the order of the tables, and of one method the plain one first, then in the order given; none twice. UsageError
    for a method, field or tier that does not exist.
    """
    found: dict[str, Variant] = {}
    order = [spec.name for spec in registry.sorted("methods")]
    for entry in asked:
        for variant in (
            map(plain, map(registry.method, order)) if entry == "all" else [_read(registry, entry)]
        ):
            found.setdefault(variant.text, variant)
    if not found:
        raise UsageError("no methods named; say 'all' or a list such as 'a,b'")
    return sorted(found.values(), key=lambda one: (order.index(one.method.name), bool(one.names)))


def methods_of(variants: Sequence[Variant]) -> list[MethodSpec]:
    """Give the methods of some variants, each once."""
    return list({variant.method.name: variant.method for variant in variants}.values())


def _read(registry: Registry, entry: str) -> Variant:
    name, colon, rest = (part.strip() for part in entry.partition(":"))
    method = registry.method(name)
    if not colon:
        return plain(method)
    items = list(_items(method, rest))
    if not items:
        raise UsageError(f"method '{entry}': write {name}:FIELD=VALUE, several with ';', or {name}:TIER")
    names = [item for item, _ in items]
    if repeated := [item for item in names if names.count(item) > 1]:
        raise UsageError(f"method '{entry}': '{repeated[0]}' is given twice")
    tiers = [tier for tier in TIERS if tier in names]
    if len(tiers) > 1:
        raise UsageError(f"method '{entry}': it takes the settings of one tier, not of {' and '.join(tiers)}")
    settings: dict[str, Any] = {}
    for item, text in items:
        if text is not None:
            put(settings, item, read_value(text))
    words = ";".join(item if text is None else f"{item}={text}" for item, text in items)
    return Variant(method, f"{method.name}:{words}", tuple(names), settings, tiers[0] if tiers else None)


def _items(method: MethodSpec, text: str) -> Iterator[tuple[str, str | None]]:
    """Fields with what they are set to, and tiers with None."""
    fields = field_names(method.config)
    for item in split_outside(text, ";"):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            if name in fields:
                raise UsageError(f"method '{method.name}:{item}': write {method.name}:{name}=VALUE")
            if name not in TIERS:
                raise unknown("tier", f"{method.name}:{name}", [f"{method.name}:{tier}" for tier in TIERS])
        elif name not in fields:
            raise unknown("field", f"{method.name}:{name}", [f"{method.name}:{known}" for known in fields])
        yield name, value if equals else None
