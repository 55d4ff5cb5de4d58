"""The notebook runs: its cells in order, in one namespace, shrunk as the documents' commands are."""

import json
from pathlib import Path
from typing import Any

from documents import ROOT
from test_docs import tiny  # noqa: F401

NOTEBOOK = json.loads((ROOT / "docs/notebook.ipynb").read_text())


def test_the_notebook_runs(tiny: Path) -> None:  # noqa: F811
    namespace: dict[str, Any] = {"__name__": "notebook"}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), namespace)
    assert len(namespace["frame"]) == len(namespace["plan"].cells) == 4
    assert namespace["mask"].shape == namespace["picture"].shape[:2]


def test_its_outputs_come_from_one_execution() -> None:
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert all(output["output_type"] != "error" for cell in code for output in cell["outputs"])
    assert sum(bool(cell["outputs"]) for cell in code) >= 6
    assert (ROOT / "docs/notebook.ipynb").stat().st_size < 300_000
