"""The code in the documents runs."""

import re
import sys
import types
from pathlib import Path

import pytest

from ssl_bench.registry import load_registry
from ssl_bench.testing import TOYS, check_method

ROOT = Path(__file__).parent.parent


def blocks(document: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), flags=re.DOTALL | re.MULTILINE
    )


def test_the_method_of_the_contributors_guide_keeps_its_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("pi_model")
    monkeypatch.setitem(sys.modules, "pi_model", module)
    exec(blocks("CONTRIBUTING.md", "python")[0], module.__dict__)
    registry = load_registry([module])
    for kind in TOYS:
        assert check_method(registry.method("pi"), kind) == []


def test_the_readme_has_its_two_commands() -> None:
    first, second = blocks("README.md", "bash")[:2]
    assert "ssl-bench run" in first
    assert "pytest" in second
    assert all(len(command.strip().splitlines()) == 1 for command in (first, second))
