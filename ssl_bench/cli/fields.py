"""Options made from the fields of a model of settings: a request, or what an executor may be told."""

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import click

from ssl_bench.cli.help import SectionedOption
from ssl_bench.cli.values import Place, Seconds
from ssl_bench.plan.request import marks_of, option_name

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class FieldOption(SectionedOption):
    """A field as an option: name, kind of value, default and help are the field's.

    What click has no kind for is left as it was given (`as_given`), since the model reads it.
    """

    def __init__(
        self, names: Sequence[str], *, info: "FieldInfo", section: str, prefix: str = "", **settings: Any
    ) -> None:
        (field,) = names
        name, marks = option_name(prefix + field, info), marks_of(info)
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        kind = settings.pop("type", None) or kind_of(info)
        self.field, self.as_given = field, kind is None
        flag = kind is click.BOOL
        if flag and (default is not False or prefix):
            name = f"{name}/--no-{name[2:]}"
        shown = marks.get("also") or (",".join(map(str, default or ())) if self.as_given else "")
        made = {
            "type": kind or click.STRING,
            "is_flag": flag,
            "multiple": get_origin(info.annotation) is Mapping,
            "default": None if self.as_given else default,
            "show_default": not self.as_given and default not in (None, ""),
            "metavar": marks.get("metavar"),
            "help": (info.description or field.replace("_", " "))
            + (f"  [default: {shown}]" if shown else ""),
        }
        names = [name, *marks.get("option", "").split()[1:], (prefix + field).replace("-", "_")]
        super().__init__(names, section=section, **(made | settings))

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """The value in click's kind, or as it was given."""
        return value if self.as_given else super().type_cast_value(ctx, value)


def kind_of(info: "FieldInfo") -> click.ParamType | None:
    """What click checks of a field: a choice, a range, a path; None for what it has no kind for."""
    union = get_origin(info.annotation) in (Union, types.UnionType)
    parts = get_args(info.annotation) if union else (info.annotation,)
    if choices := [value for part in parts if get_origin(part) is Literal for value in get_args(part)]:
        return click.Choice(choices)
    least = next((each.ge for each in info.metadata if hasattr(each, "ge")), None)
    kinds = {
        bool: click.BOOL,
        int: click.IntRange(least),
        float: Seconds(least),
        Path: Place(),
        str: click.STRING,
    }
    plain = [get_args(part)[0] if get_origin(part) is Annotated else part for part in parts]
    return next((kinds[part] for part in plain if part in kinds), None)
