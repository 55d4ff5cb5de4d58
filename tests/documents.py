"""Code blocks of the documents."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]


def blocks(document: str, language: str) -> list[str]:
    """Fenced blocks of a language."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def commands(document: str) -> Iterator[list[str]]:
    """Arguments of every `ssl-bench` command in shell blocks, indented blocks and inline code."""
    text = (ROOT / document).read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = list(shell(document))
    lines += re.findall(r"^ {4}(ssl-bench .*)", prose, flags=re.MULTILINE)
    lines += re.findall(r"`(ssl-bench [^`]*)`", prose)
    for line in lines:
        # Signs between quotes separate no commands.
        for part in re.findall(r"""(?:'[^']*'|"[^"]*"|&(?!&)|[^;|&'"])+""", line):
            words = shlex.split(part, comments=True)
            if words and words[0].rpartition("/")[2] == "ssl-bench":
                yield words[1:]


def shell(document: str) -> Iterator[str]:
    """Lines of shell blocks; one that ends with a backslash goes on in the next."""
    for block in blocks(document, "bash"):
        yield from (line for line in block.replace("\\\n", " ").splitlines() if line.strip())


def dialogues(document: str) -> Iterator[tuple[str, str]]:
    """Commands of console blocks, and what each says."""
    for block in blocks(document, "console"):
        for said in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, answer = said.partition("\n")
            yield command, answer
