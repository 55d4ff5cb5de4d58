"""The site: every hook, command, method and setting is in it; it builds without a warning and fetches nothing."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import click
import pytest
from documents import ROOT

from ssl_bench import hookspecs
from ssl_bench.cli.commands import cli
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import Found
from ssl_bench_plugins.methods.configs import MeanTeacherConfig

REGISTRY = load_registry()
METHODS = [
    spec
    for spec in REGISTRY.sorted("methods")
    if REGISTRY.providers["methods", spec.name].distribution == "ssl-bench"
]


@pytest.fixture(autouse=True)
def site_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))


def test_every_command_and_option_is_documented() -> None:
    from site_pages.commands import commands

    page = commands()
    assert "<!-- ssl-bench: commands -->" in (ROOT / "docs/reference/commands.md").read_text()
    for path, command in everything(cli, "ssl-bench"):
        assert f"## `{path}`\n" in page
        section = page.partition(f"## `{path}`\n")[2].partition("\n## ")[0]
        assert " ".join((command.help or "").replace("\b", "").split()[:5]) in " ".join(section.split())
        with click.Context(command, info_name=path) as context:
            parameters = command.get_params(context)
        for parameter in parameters:
            if isinstance(parameter, click.Option) and "--help" not in parameter.opts:
                assert all(name in section for name in parameter.opts), f"{path} {parameter.name}"
                said = " ".join((parameter.help or "").split())
                assert said in section, f"{path} {parameter.name}"


def test_every_option_is_spoken_of() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    words = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", "\n".join(page.read_text() for page in pages)))
    for path, command in everything(cli, "ssl-bench"):
        with click.Context(command, info_name=path) as context:
            options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
        for option in options:
            names = {*option.opts, *option.secondary_opts}
            assert option.hidden or names & {*words, "--help", "--version"}, f"{path} {option.opts[0]}"


def everything(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """As a user reaches them, without the site's own code."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from everything(child, f"{path} {name}")


def test_every_hook_is_documented() -> None:
    from site_pages.interfaces import hooks

    page = hooks()
    assert "<!-- ssl-bench: hooks -->" in (ROOT / "docs/reference/hooks.md").read_text()
    names = [name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.GROUP}_spec")]
    assert len(names) >= 8
    for name in names:
        hook = getattr(hookspecs, name)
        section = page.partition(f"## `{name}`\n")[2].partition("\n## ")[0]
        assert hook.__doc__ in section
        # What it hands over, field by field.
        (spec,) = hook.__annotations__["return"].__args__
        assert f"**`{spec.__name__}`**" in section
        assert all(f"| `{field}` |" in section for field in spec.__annotations__)


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.name)
def test_every_method_has_its_page(spec: object) -> None:
    from site_pages.methods import method

    name, config = spec.name, spec.config  # type: ignore[attr-defined]
    page = (ROOT / f"docs/methods/{name}.md").read_text()
    assert "$$" in page
    mark = re.search(rf"<!-- ssl-bench: method {name}( .*)? -->", page)
    assert mark is not None
    text = method(name, *(mark[1] or "").split())
    assert all(f"| `{name}.{field}` |" in text for field in config.model_fields)
    assert f"methods/{name}.md" in (ROOT / "mkdocs.yml").read_text()


def test_settings_are_those_of_the_classes() -> None:
    from site_pages.methods import method

    published, _, of_lite = method("gct").partition("In tier `lite`")
    rows = {line.split(" | ")[0].strip("| `"): line for line in published.splitlines()}
    assert "| `gct.lambda_dc` | 0 | 0 | 0 | 0 |" in of_lite
    assert rows["gct.lambda_dc"].endswith("(≥ 0) | 100 | 1 | 100 | 1 |")
    assert r"$\lambda_{dc}$" in rows["gct.lambda_dc"]
    assert rows["gct.mode"].count("gct |") == 4
    deviations = method("mt").partition("## Where it differs from the paper")[2].partition("##")[0]
    assert deviations.strip().startswith("The paper perturbs labelled images as well")


def test_a_tier_shows_the_settings_that_it_has_of_its_own() -> None:
    from site_pages.methods import built_in, of_tiers

    class Tuned(MeanTeacherConfig):
        tier_defaults: ClassVar = {"lite": {"night": Found({"lambda_mt": 0.3}, 12)}}

    mt = REGISTRY.method("mt")
    page = of_tiers(replace(mt, config=Tuned), built_in("tasks"))
    assert "In tier `lite`" in page
    assert "`smoke`" not in page
    assert "| `mt.lambda_mt` |  |  |  | 0.3 |" in page
    assert "| trials of the search |  |  |  | 12 |" in page
    Tuned.tier_defaults = {}
    assert of_tiers(replace(mt, config=Tuned), built_in("tasks")) == ""


def test_links_lead_into_the_site() -> None:
    from site_pages.links import resite

    text = "[a](../leaderboards/cost.md#x) ![b](images/b.png) [c](https://d.e/f.md) [g](#h) [i](../CONTRIBUTING.md)"
    assert resite(text, "tables.md", "docs/tables.md") == (
        "[a](leaderboards/cost.md#x) ![b](images/b.png) [c](https://d.e/f.md) [g](#h) [i](contributing.md)"
    )
    assert resite("[a](docs/method.md)", "contributing.md", "CONTRIBUTING.md") == "[a](method.md)"
    with pytest.raises(ValueError, match="no page of the site"):
        resite("[a](../ssl_bench/plan/plan.py)", "tables.md", "docs/tables.md")


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    # The theme's notice of its successor is no warning of ours.
    said = subprocess.run(
        line, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert said.returncode == 0, said.stderr
    assert "WARNING" not in said.stderr, said.stderr
    pages = {path: path.read_text() for path in tmp_path.rglob("*.html") if path.name != "404.html"}
    assert len(pages) >= 30
    for path, page in pages.items():
        assert "arithmatex" not in page, path
        assert "<!-- ssl-bench" not in page, path
        check_references(path, page, pages)
    assert "<math" in pages[tmp_path / "methods/gct.html"]


def check_references(path: Path, page: str, pages: dict[Path, str]) -> None:
    """Whatever a page loads lies beside it, and its links lead to a page and a place that are there."""
    for tag, attribute, target in re.findall(r'<(\w+)[^>]*? (href|src)="?([^"\s>]+)', page):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            # A link to elsewhere may stand in the text; nothing may be loaded from there.
            assert tag == "a" or parts.scheme == "data", f"{path}: {tag} {attribute} {target}"
            continue
        place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        place = place / "index.html" if place.is_dir() else place
        assert place.is_file(), f"{path}: {target}"
        if parts.fragment and place in pages:
            assert (
                f'id="{unquote(parts.fragment)}"' in pages[place]
                or f"id={unquote(parts.fragment)}" in pages[place]
            ), f"{path}: {target}"
