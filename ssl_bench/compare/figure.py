"""A figure as papers have them: images in rows; input, label and methods in columns; boxes, and crops of them."""

import re
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from ssl_bench.compare.choice import Choice, Comparison, metric_name, rule_text
from ssl_bench.compare.outputs import Outputs, Row
from ssl_bench.compare.regions import Box
from ssl_bench.dataset import VOID
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.seeds import digest
from ssl_bench.use.lettering import Colour, Font, Legend, legible
from ssl_bench.use.sheet import colour_of

WIDTH = 216
"""Of a column, px."""
TALLEST = 1.3
"""Height of a picture over its column's width."""
GAP, MARGIN, LINE = 8, 14, 3
PAPER, INK, SOFT, RED, HALO = (255, 255, 255), (20, 20, 20), (95, 95, 95), (225, 20, 30), (255, 255, 255)
TITLE_SIZE, TEXT_SIZE = 19, 15


def caption_of(outputs: Outputs, choice: Choice, seed: int, *, page: bool = False) -> str:
    """What a figure shows, by which rule, and what its marks mean. `page`: without a title, without marks."""
    comparison, head = outputs.comparison, outputs.comparison.head
    boxes = any(row.boxes for row in outputs.rows)
    setting, rule = (
        _setting(comparison),
        rule_text(comparison, choice, len(outputs.rows), outputs.total, seed),
    )
    if page:
        return f"{setting} {rule}"
    parts = (
        f"{plain(head.task_title)}. {setting}",
        rule,
        "Red boxes: where the methods' outputs differ most, the same for a row, enlarged below."
        if boxes
        else "",
        f"Below the methods: {metric_name(comparison)} of the image." if outputs.scored else "",
    )
    return " ".join(filter(None, parts))


def draw_figure(outputs: Outputs, caption: str) -> Image.Image:
    """The whole figure. The same pixels for the same outputs."""
    title, text = ImageFont.load_default(TITLE_SIZE), ImageFont.load_default(TEXT_SIZE)
    heads = ["Input", "Label", *(legible(one.title) for one in outputs.comparison.shown)]
    width = 2 * MARGIN + len(heads) * (WIDTH + GAP) - GAP
    wrapped = _wrapped(legible(caption), text, width - 2 * MARGIN)
    head_lines = [_wrapped(head, title, WIDTH) for head in heads]
    head_height = max(map(len, head_lines)) * _line(title)
    legend = Legend(class_colours(outputs), text, width - 2 * MARGIN, side=15)
    rows = [_Layout(row, outputs.score_texts(row) if outputs.scored else [], text) for row in outputs.rows]
    height = 2 * MARGIN + head_height + GAP + sum(row.height + 2 * GAP for row in rows)
    height += legend.height + GAP + len(wrapped) * _line(text)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, lines in enumerate(head_lines):
        middle = MARGIN + column * (WIDTH + GAP) + WIDTH / 2
        for number, line in enumerate(lines):
            top = MARGIN + head_height - (len(lines) - number) * _line(title)
            draw.text((middle, top), line, INK, title, anchor="ma")
    top = MARGIN + head_height + GAP
    for row in rows:
        row.draw(sheet, draw, top)
        top += row.height + 2 * GAP
    legend.draw(draw, MARGIN, top, INK, SOFT)
    top += legend.height + GAP
    for line in wrapped:
        draw.text((MARGIN, top), line, INK, text)
        top += _line(text)
    return sheet


def file_name(outputs: Outputs, choice: Choice, seed: int) -> str:
    """A name that no figure of other cells or other images has."""
    head, shown = outputs.comparison.head, outputs.comparison.shown
    rule = f"random{seed}" if choice == "random" else choice
    stem = (head.task, head.dataset, head.source, head.tier, rule, head.backbone)
    own = digest([rule, [one.entry.id for one in shown], [row.name for row in outputs.rows]], 8)
    words = re.sub(r"[^A-Za-z0-9.]+", "_", " ".join((*stem, *(one.entry.method for one in shown))))
    return f"{words.strip('._')[:100]}_{own}.png"


def about(outputs: Outputs, caption: str) -> PngInfo:
    """Text chunks of the file: its caption, and the cells and images that it was made from."""
    info = PngInfo()
    info.add_itxt("Description", caption)
    info.add_itxt("ssl-bench cells", "\n".join(one.entry.id for one in outputs.comparison.shown))
    info.add_itxt("ssl-bench images", "\n".join(plain(row.name) for row in outputs.rows))
    return info


class _Layout:
    """A row of the figure: pictures, below them crops of the boxes, below these the scores."""

    def __init__(self, row: Row, scores: Sequence[str], font: Font) -> None:
        self.row, self.scores, self.font = row, scores, font
        high, wide = row.image.shape[:2]
        factor = min(WIDTH / wide, TALLEST * WIDTH / high)
        self.size = (max(1, round(wide * factor)), max(1, round(high * factor)))
        self.left = (WIDTH - self.size[0]) // 2
        self.factor = factor
        self.crop = (WIDTH - GAP) // 2 if row.boxes else 0
        self.height = (
            self.size[1] + (GAP + self.crop if row.boxes else 0) + (_line(font) + 4 if scores else 0)
        )

    def draw(self, sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int) -> None:
        """Every column, from a line of the sheet on."""
        row = self.row
        scores = ("", "", *self.scores) if self.scores else ()
        for column, picture in enumerate((row.image, row.label, *row.outputs)):
            left = MARGIN + column * (WIDTH + GAP)
            sheet.paste(_scaled(picture, self.size), (left + self.left, top))
            below = top + self.size[1] + GAP
            for place, box in enumerate(row.boxes):
                self._outline(draw, left + self.left, top, box)
                corner = left + place * (self.crop + GAP), below
                cut = picture[box.top : box.top + box.side, box.left : box.left + box.side]
                sheet.paste(_scaled(cut, (self.crop, self.crop)), corner)
                _frame(draw, (*corner, corner[0] + self.crop - 1, corner[1] + self.crop - 1))
            if scores:
                bottom = top + self.height - _line(self.font)
                draw.text((left + WIDTH / 2, bottom), scores[column], SOFT, self.font, anchor="ma")

    def _outline(self, draw: ImageDraw.ImageDraw, left: int, top: int, box: Box) -> None:
        side = round(box.side * self.factor)
        x, y = left + round(box.left * self.factor), top + round(box.top * self.factor)
        right, bottom = min(x + side, left + self.size[0]) - 1, min(y + side, top + self.size[1]) - 1
        draw.rectangle((x, y, right, bottom), outline=HALO, width=LINE + 1)
        _frame(draw, (x, y, right, bottom))


def _frame(draw: ImageDraw.ImageDraw, corners: tuple[int, int, int, int]) -> None:
    draw.rectangle(corners, outline=RED, width=LINE)


def _scaled(picture: np.ndarray, size: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture))
    # Enlarged pixels stay pixels: what differs between methods is not smoothed away.
    return image.resize(size, Image.Resampling.NEAREST if size[0] > image.width else Image.Resampling.LANCZOS)


def _setting(comparison: Comparison) -> str:
    head = comparison.head
    others = [
        f"{one.title}: {_labels(one.entry)}"
        for one in comparison.shown
        if _labels(one.entry) != _labels(head)
    ]
    labels = f"{_labels(head)} images" + (f" ({', '.join(others)})" if others else "")
    seed = comparison.shown[0].entry.seed
    data = f"{head.data_title} data" if not head.is_titled else head.data_title
    return plain(
        f"Comparisons on {data} with {labels}; {head.backbone}, tier {head.tier}, training seed {seed}, "
        "last iteration."
    )


def _labels(entry: Entry) -> str:
    return f"{entry.labeled} labelled and {entry.unlabeled} unlabelled"


def class_colours(outputs: Outputs) -> list[tuple[Colour, str]]:
    """Colour and name of every class, and of what is not scored where there is any; none for a task without classes."""
    names = [*enumerate(map(plain, outputs.task.classes)), *([(VOID, "not scored")] if outputs.void else [])]
    return [(colour_of(outputs.task, number), name) for number, name in names]


def _wrapped(text: str, font: Font, width: float) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _line(font: Font) -> int:
    return int(getattr(font, "size", TEXT_SIZE) * 1.35)
