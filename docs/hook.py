"""What mkdocs asks while it builds the site: pages from elsewhere, and what is read off the code.

`<!-- ssl-bench: NAME ARGUMENTS -->` in a page is replaced by what the part of that name says.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from site_pages import commands, equations, interfaces, links, methods, notebook

ROOT = Path(__file__).parent.parent
PARTS: Mapping[str, Callable[..., str]] = {
    "commands": commands.commands,
    "hooks": interfaces.hooks,
    "class": interfaces.interface,
    "arguments": interfaces.arguments,
    "columns": interfaces.columns,
    "methods": methods.overview,
    "method": methods.method,
    "recipes": methods.recipes,
    "datasets": methods.datasets,
}
MARK = re.compile(r"^<!-- ssl-bench: (.*?) -->$", flags=re.MULTILINE)


def filled(markdown: str) -> str:
    """A page with its parts. KeyError for a part that does not exist."""

    def part(found: re.Match[str]) -> str:
        name, *arguments = found[1].split()
        return PARTS[name](*arguments)

    return MARK.sub(part, markdown)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Pages that nobody placed stand at the end of the guides."""
    placed = str(config.nav)
    guides = next(section["Guides"] for section in config.nav if "Guides" in section)
    docs = Path(config.docs_dir)
    for path in sorted(docs.rglob("*.md")):
        page = path.relative_to(docs).as_posix()
        if f"'{page}'" not in placed:
            guides.append(page)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The documents that lie outside docs/, the runs that they link to, and the notebook."""
    sources = {"contributing.md": ROOT / "CONTRIBUTING.md"}
    sources |= {f"leaderboards/{path.name}": path for path in sorted((ROOT / "leaderboards").glob("*.md"))}
    for place, path in sources.items():
        files.append(File.generated(config, place, content=_resited(path, place)))
    runs = ROOT / "leaderboards" / "runs.csv"
    files.append(File.generated(config, "leaderboards/runs.csv", abs_src_path=str(runs)))
    text = notebook.page(Path(config.docs_dir) / "notebook.ipynb")
    files.append(File.generated(config, "notebook.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Parts filled in; links that lead out of docs/ led to where the site has their pages."""
    text = filled(markdown)
    place = page.file.src_uri
    return text if page.file.generated_by else links.resite(text, place, f"docs/{place}")


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Equations."""
    return equations.drawn(content)


def _resited(path: Path, place: str) -> str:
    source = path.relative_to(ROOT).as_posix()
    return links.resite(path.read_text(encoding="utf-8"), place, source)
