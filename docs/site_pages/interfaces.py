"""Hooks with what they hand over, and the classes that a plugin or a notebook uses."""

import textwrap

import ssl_bench
from site_pages.markdown import code, table
from site_pages.source import Class, Function, read_class, read_functions

HOOKS = "ssl_bench.hookspecs"
SPECS = "ssl_bench.specs"
PUBLISHED = "ssl_bench.published"


def hooks() -> str:
    """Every hook: its sentence, and the fields of the description that it returns."""
    common = read_class(SPECS, "Spec")
    parts = [
        "Fields of every description:\n",
        _fields(common),
    ]
    for hook in read_functions(HOOKS):
        if "hookspec" not in hook.marks:
            continue
        name = hook.signature.partition("[")[2].partition("]")[0]
        parts += [f"## `{hook.name}`\n", f"{hook.text}\n", f"```python\ndef {hook.signature}: ...\n```\n"]
        module = PUBLISHED if name in ("ClaimSpec", "DownloadSpec") else SPECS
        parts += [_described(read_class(module, name))]
        if name == "DownloadSpec":
            parts += [_described(read_class(PUBLISHED, "RemoteFile"))]
        if name == "TaskSpec":
            parts += [_described(read_class(SPECS, "Metric"))]
    return "\n".join(parts)


def interface(path: str, *only: str) -> str:
    """A class named `module.Class`, with its methods, or some of them."""
    module, _, name = path.rpartition(".")
    found = read_class(module, name)
    functions = [one for one in found.functions if not only or one.name in only]
    way_in = f"ssl_bench.{name}" if name in ssl_bench.__all__ else f"from {module} import {name}"
    parts = [f"## `{name}`\n", f"`{way_in}`\n", f"{found.text}\n"]
    if found.fields:
        parts.append(_fields(found))
    return "\n".join([*parts, *map(_function, functions)])


def arguments() -> str:
    """The arguments of `Bench.plan`, as the model of a request has them."""
    from ssl_bench.plan.request import Request, option_fields

    rows = [[code(name), info.description or ""] for name, info in option_fields(Request).items()]
    return f"## Arguments of `plan`\n\n{table(['argument', ''], rows)}"


def columns() -> str:
    """What the DataFrame of results holds."""
    from ssl_bench.leaderboard.frame import COLUMNS

    rows = [[code(name), text] for name, text in COLUMNS.items()]
    return f"## Columns of results\n\n{table(['column', ''], rows)}\nand a column for each metric, by its name.\n"


def _described(found: Class) -> str:
    return f"**`{found.name}`**: {found.text}\n\n{_fields(found)}"


def _fields(found: Class) -> str:
    rows = [[code(f.name), code(f.type), code(f.default), f.text] for f in found.fields]
    return table(["field", "type", "default", ""], rows)


def _function(function: Function) -> str:
    if function.name == "__init__" and not function.text:
        return ""
    marks = [mark for mark in function.marks if mark in ("property", "classmethod", "abstractmethod")]
    note = f" *({', '.join(marks)})*" if marks else ""
    signature = _wrapped(function.signature)
    text = f"### `{function.name}`{note}\n\n```python\n{signature}\n```\n\n{function.text}\n"
    return text


def _wrapped(signature: str) -> str:
    """A long signature, one argument on a line."""
    if len(signature) <= 88:
        return signature
    head, _, rest = signature.partition("(")
    inside, _, tail = rest.rpartition(")")
    if " -> " in rest:
        inside, _, tail = rest.rpartition(") ->")
        tail = f" ->{tail}"
    arguments = textwrap.indent(",\n".join(_arguments(inside)), "    ")
    return f"{head}(\n{arguments},\n){tail}"


def _arguments(text: str) -> list[str]:
    """Arguments apart, where a comma is in no bracket."""
    found, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            found.append(text[start:place].strip())
            start = place + 1
    return [*found, text[start:].strip()]
