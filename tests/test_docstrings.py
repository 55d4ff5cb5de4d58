"""Docstrings of public names, long enough to be read without the signature."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from test_house import MODULES

from ssl_bench import hookspecs
from ssl_bench.recipe import Settings

FEWEST = 5
"""Words."""


def name_of(package: str, path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[parts.index(package) :]).removesuffix(".__init__")


def too_short(text: str | None) -> bool:
    return len((text or "").split()) < FEWEST


def undocumented(name: str, module: ModuleType, tree: ast.Module) -> Iterator[str]:
    """The public names of a module that say too little of themselves."""
    if too_short(ast.get_docstring(tree)):
        yield name
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            if too_short(ast.get_docstring(node)):
                yield f"{name}.{node.name}"
            yield from members(f"{name}.{node.name}", getattr(module, node.name), node)
        elif (
            isinstance(node, ast.FunctionDef)
            and not node.name.startswith("_")
            # A hook is what its specification says.
            and (not hasattr(hookspecs, node.name) or module is hookspecs)
            and too_short(ast.get_docstring(node))
        ):
            yield f"{name}.{node.name}"


def members(name: str, cls: Any, node: ast.ClassDef) -> Iterator[str]:
    """The methods, properties and settings of a class, but for what a class above it says already."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and not child.name.startswith("_"):
            above = [getattr(base, child.name, None) for base in cls.__mro__[1:]]
            said = any(not too_short(inspect.getdoc(one)) for one in above if one is not None)
            overload = any(getattr(each, "id", "") == "overload" for each in child.decorator_list)
            if not said and not overload and too_short(ast.get_docstring(child)):
                yield f"{name}.{child.name}"
    if issubclass(cls, Settings):
        texts = {
            first.target.id: then.value.value
            for first, then in zip(node.body, node.body[1:], strict=False)
            if isinstance(first, ast.AnnAssign)
            and isinstance(first.target, ast.Name)
            and isinstance(then, ast.Expr)
            and isinstance(then.value, ast.Constant)
        }
        own = cls.model_fields.keys() & inspect.get_annotations(cls)
        for field in sorted(own):
            if not cls.model_fields[field].description and not texts.get(field):
                yield f"{name}.{field}"


@pytest.mark.parametrize(("package", "path"), MODULES, ids=lambda value: getattr(value, "name", value))
def test_public_names_say_what_they_are(package: str, path: Path) -> None:
    name = name_of(package, path)
    if name.endswith("__main__"):
        return
    found = [*undocumented(name, importlib.import_module(name), ast.parse(path.read_text()))]
    assert not found, "fewer than five words: " + ", ".join(found)
