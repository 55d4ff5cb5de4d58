"""The code in the documents runs."""

import re
import sys
import types
from pathlib import Path

import pytest
from trees import save

from ssl_bench.plan import Request
from ssl_bench.registry import load_registry
from ssl_bench.sources import open_sources
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


def test_the_layout_of_the_contributors_guide_is_recognised(tmp_path: Path) -> None:
    module = types.ModuleType("raindrops")
    exec(blocks("CONTRIBUTING.md", "python")[1], module.__dict__)
    for scene in range(5):
        for view in range(2):
            save(tmp_path / f"wet/{scene}/{view}_wet.png", scene)
            save(tmp_path / f"dry/{scene}/{view}_dry.png", scene)
    registry = load_registry([module])
    request = Request(data=(f"night={tmp_path}",))
    source = open_sources(registry, request, [registry.task("night")])["night"]
    assert source.spec.name == "raindrops"
    assert (len(source.dataset.train), len(source.dataset.test)) == (8, 2)
    source.dataset.check([*source.dataset.train, *source.dataset.test])


def test_the_readme_has_its_two_commands() -> None:
    first, second = blocks("README.md", "bash")[:2]
    assert "ssl-bench run" in first
    assert "pytest" in second
    assert all(len(command.strip().splitlines()) == 1 for command in (first, second))
