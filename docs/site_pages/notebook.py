"""A notebook as a page: its text, its code, and what the code gave when it was run."""

import json
import textwrap
from pathlib import Path
from typing import Any


def page(path: Path) -> str:
    """The cells of a notebook (nbformat 4) in Markdown."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(_cell(cell) for cell in cells) + "\n"


def _cell(cell: dict[str, Any]) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return source
    return "\n\n".join([f"```python\n{source}\n```", *map(_output, cell["outputs"])])


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {"text/plain": output.get("text", "")})
    if "image/png" in data:
        return f'<p><img alt="Picture" src="data:image/png;base64,{"".join(data["image/png"]).strip()}"></p>'
    if "text/html" in data:
        # The table alone: a notebook's own style sheet has no place in the page.
        markup = "".join(data["text/html"])
        start, end = markup.index("<table"), markup.index("</table>") + len("</table>")
        return f'<div class="output">\n{textwrap.dedent(markup[start:end])}\n</div>'
    return f"```text\n{''.join(data['text/plain']).rstrip()}\n```"
