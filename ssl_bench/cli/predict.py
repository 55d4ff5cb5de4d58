"""`ssl-bench predict`: a finished cell on pictures of one's own."""

from dataclasses import replace
from pathlib import Path

import click

from ssl_bench.cli.options import runs_option
from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.cli.values import Place
from ssl_bench.errors import SslBenchError
from ssl_bench.words import number_of


@click.command(short_help="Apply a finished cell to pictures.")
@click.argument("cell")
@click.argument("images", nargs=-1, required=True, type=Place())
@click.option("--out", type=Place(), required=True, help="Folder to write to.")
@runs_option
@plugin_option
def predict(cell: str, images: tuple[Path, ...], out: Path, runs: Path) -> None:
    """Write what a finished cell predicts for IMAGES, picture files and folders of them.

    CELL is the id of a finished cell, the beginning of one, or its folder. A prediction is a PNG of its picture's
    name and size (upright, where the camera was turned): a mask of class ids under a palette, with classes.json
    beside it, a grey matte, or a restored picture; this last is a TIFF where the cell's images are not 8-bit RGB.
    Predictions of this cell that are there already are kept, unless the cell has been run again and has other weights
    now; any other file in the way ends the command before it starts. A picture that cannot be read, or whose
    prediction cannot be written, is named at the end, and the others are predicted. Files of formats that are not read
    are counted and named.
    """
    from ssl_bench.cli.progress import progress_bar
    from ssl_bench.data.samples import Unread, say_unread
    from ssl_bench.machine.devices import find_devices
    from ssl_bench.machine.files import require_writable
    from ssl_bench.store.results import ResultStore
    from ssl_bench.use.predict import ending_of, find_jobs, is_done, write_legend, write_prediction

    folder = ResultStore(runs).find(cell)
    unread: list[Unread] = []
    faults: list[str] = []
    jobs = find_jobs(images, out, unread, faults)
    for line in say_unread(unread):
        click.echo(f"note: {line}", err=True)

    import torch

    from ssl_bench.machine.heap import keep_heap
    from ssl_bench.use.trained import load_trained

    keep_heap()
    trained = load_trained(folder, load_registry(), torch.device(find_devices("auto")[0]))
    jobs = [replace(job, output=job.output.with_suffix(ending_of(trained.task))) for job in jobs]
    waiting = [job for job in jobs if not is_done(job, trained)]
    require_writable(out, "--out")
    legend = write_legend(trained, out)
    done = 0
    try:
        with progress_bar("predicting", len(waiting), "pictures") as advance:
            for job in waiting:
                try:
                    write_prediction(trained, job)
                    done += 1
                except SslBenchError as error:
                    faults.append(str(error))
                except OSError as error:
                    faults.append(f"{job.output}: cannot be written ({error.strerror or error})")
                except torch.OutOfMemoryError:
                    cure = "free some, or predict on the CPU by CUDA_VISIBLE_DEVICES=-1"
                    faults.append(f"{job.source}: the GPU's memory ran out; {cure}")
                advance(1)
    finally:
        for fault in faults:
            click.echo(f"ssl-bench: {fault}", err=True)
    counts = {"there already": len(jobs) - len(waiting), "failed": len(faults)}
    others = [f", {count} {what}" for what, count in counts.items() if count]
    written = number_of(done, "prediction")
    click.echo(f"{out}: {written} written{''.join(others)}" + (f"; classes in {legend}" if legend else ""))
    if faults:
        raise click.exceptions.Exit(1)
