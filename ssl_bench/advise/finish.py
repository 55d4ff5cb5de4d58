"""The end of a study: the network that learnt from all labels, and the images to label next."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ssl_bench.advise.advice import FOLDER, LIST, PICTURES, Advice, write_advice
from ssl_bench.advise.study import Study
from ssl_bench.dataset import Dataset
from ssl_bench.leaderboard.formats.markdown import render_markdown
from ssl_bench.machine.files import write_bytes, write_text
from ssl_bench.registry.registry import Registry

WANTED = 8
"""Images to label next."""
ACROSS = 4
"""Pictures in a row."""


def places_of(dataset: Dataset, names: Sequence[str]) -> tuple[str, ...]:
    """The files of images without a label, with the id of the one meant where a file holds several."""
    held = Counter(map(dataset.place, dataset.unlabeled))
    return tuple(
        f"{place}: {name}" if held[place] > 1 else str(place)
        for name, place in ((name, dataset.place(name)) for name in names)
    )


def images_wanted(
    study: Study, registry: Registry, dataset: Dataset, report: Callable[[], None] = lambda: None
) -> list[str]:
    """Ids of the images to label next, by the baseline's networks of the first repeat; none without two of them."""
    from ssl_bench.advise.wanted import wanted_images
    from ssl_bench.use.trained import load_trained

    cells = [study.cell(study.baseline, fold) for fold in study.folds if fold.repeat == 0]
    folders = [study.store.folder(cell).path for cell in cells if study.store.is_finished(cell)]
    if len(folders) < 2 or not dataset.unlabeled:
        return []
    networks = [load_trained(folder, registry) for folder in folders]
    return wanted_images(networks, dataset, dataset.unlabeled, WANTED, report)


def keep(study: Study, advice: Advice, dataset: Dataset, wanted: list[str]) -> Path:
    """Write the answer into the results folder, with list and pictures of the images to label; its folder."""
    root = study.store.root
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    if wanted:
        write_text(folder / LIST, "".join(f"{name}\n" for name in advice.wanted))
        write_bytes(folder / PICTURES, _pictures(study, dataset, wanted))
    else:  # What an earlier answer asked for may have its labels by now.
        for name in (LIST, PICTURES):
            (folder / name).unlink(missing_ok=True)
    write_advice(advice, root)
    write_text(folder / "README.md", render_markdown(advice.document()))
    return folder


def _pictures(study: Study, dataset: Dataset, wanted: list[str]) -> bytes:
    import io

    from ssl_bench.use.sheet import draw_sheet

    captioned = [(name, dataset.channels.drawn(dataset.image(name))) for name in wanted]
    rows = [captioned[start : start + ACROSS] for start in range(0, len(captioned), ACROSS)]
    buffer = io.BytesIO()
    draw_sheet(rows).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
