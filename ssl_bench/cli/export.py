"""`ssl-bench export`: a finished cell's network as a file for other programs."""

from pathlib import Path

import click

from ssl_bench.cli.options import runs_option
from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError

ENDINGS = {".onnx": "onnx", ".pt": "torchscript", ".ts": "torchscript", ".safetensors": "weights"}
"""Of files, and what is in them."""


@click.command(short_help="Write a finished cell's network for other programs.")
@click.argument("cell")
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "torchscript", "weights"]),
    help="Kind of file.  [default: by the ending of --out: .onnx, .pt or .safetensors]",
)
@click.option("--out", type=Place(), required=True, help="File to write or replace.")
@runs_option
@plugin_option
def export(cell: str, form: str | None, out: Path, runs: Path) -> None:
    """Write the network that a finished cell deploys.

    CELL is the id of a finished cell, the beginning of one, or its folder. The file takes float32 images (batch, 3,
    height, width) in [0, 1], RGB, of any size, and gives what evaluation scores; normalisation, padding and
    activation are inside. It is compared with the cell on images of odd sizes, and left only where they agree to
    1e-4. `weights` is a safetensors file, with FILE.json beside it that says how to rebuild the network.
    """
    from ssl_bench.store.results import ResultStore

    form = form or ENDINGS.get(out.suffix.lower())
    if form is None:
        raise UsageError(f"--out {out}: give --format, or a name that ends in {', '.join(ENDINGS)}")
    folder = ResultStore(runs).find(cell)
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: name a file in a folder that exists")

    from ssl_bench.use.export import export as write
    from ssl_bench.use.export import require_packages
    from ssl_bench.use.trained import load_trained

    require_packages(form)
    difference = write(load_trained(folder, load_registry()), form, out)
    click.echo(f"wrote {out}: differs from the cell by at most {difference:.1e}")
