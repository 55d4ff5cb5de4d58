"""Docstrings, signatures and comments of fields, read off the syntax tree: nothing that is documented is imported."""

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Field:
    """A field of a class."""

    name: str
    type: str
    default: str
    """Empty: there is none."""
    text: str


@dataclass(frozen=True)
class Function:
    """A function, a method or a property."""

    name: str
    signature: str
    """As written, without `def` and the colon."""
    text: str
    marks: tuple[str, ...]
    """Decorators."""


@dataclass(frozen=True)
class Class:
    """A class as its readers use it: nothing private."""

    name: str
    text: str
    fields: tuple[Field, ...]
    functions: tuple[Function, ...]


@cache
def tree(module: str) -> ast.Module:
    """The syntax tree of a module."""
    spec = importlib.util.find_spec(module)
    assert spec is not None, module
    assert spec.origin is not None, module
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def module_text(module: str) -> str:
    """A module's docstring."""
    return ast.get_docstring(tree(module)) or ""


def read_class(module: str, name: str) -> Class:
    """A class by name. StopIteration where there is none."""
    node = next(node for node in tree(module).body if isinstance(node, ast.ClassDef) and node.name == name)
    fields = tuple(_fields(node, _literals(module)))
    return Class(name, ast.get_docstring(node) or "", fields, tuple(_functions(node.body)))


def read_functions(module: str) -> tuple[Function, ...]:
    """The public functions of a module."""
    return tuple(_functions(tree(module).body))


def _literals(module: str) -> dict[str, str]:
    """Names that a module gives to a choice of values, or takes from another one: the values say more."""
    found = {}
    for node in tree(module).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = ast.unparse(node.value)
            if value.startswith("Literal["):
                found[node.targets[0].id] = value
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("ssl_bench."):
            there = _literals(str(node.module))
            found |= {name.name: there[name.name] for name in node.names if name.name in there}
    return found


def _fields(node: ast.ClassDef, literals: dict[str, str]) -> Iterator[Field]:
    following: list[ast.stmt | None] = [*node.body[1:], None]
    for statement, after in zip(node.body, following, strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        name = statement.target.id
        if name.startswith("_"):
            continue
        default = ast.unparse(statement.value) if statement.value is not None else ""
        if default.startswith("field(default_factory="):
            default = "{}"
        annotation = statement.annotation
        lazy = isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
        kind = annotation.value if lazy else ast.unparse(annotation)  # type: ignore[attr-defined]
        yield Field(name, literals.get(str(kind), str(kind)), default, _comment(after))


def _comment(node: ast.stmt | None) -> str:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return inspect.cleandoc(node.value.value)
    return ""


def _functions(body: list[ast.stmt]) -> Iterator[Function]:
    for node in body:
        if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
            returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
            marks = tuple(ast.unparse(mark) for mark in node.decorator_list)
            # A type named in quotes is imported late, which is no matter of a reader's.
            signature = re.sub(
                r"'([\w.]+)'(?=$| \||\])", r"\1", f"{node.name}({ast.unparse(node.args)}){returns}"
            )
            yield Function(node.name, signature, ast.get_docstring(node) or "", marks)
