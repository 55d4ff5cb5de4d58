"""The answer of `ssl-bench advise` as a section of the page: words, gains with intervals, and what to label next."""

import base64
from pathlib import Path

from ssl_bench.advise.advice import FOLDER, PICTURES, Advice
from ssl_bench.advise.evidence import Evidence
from ssl_bench.figures.svg import linear
from ssl_bench.leaderboard.model import Heading
from ssl_bench.report.charts import Chart
from ssl_bench.report.gains import Gain, forest, in_words
from ssl_bench.report.page import Part, scrolling


def advice_part(advice: Advice, folder: Path) -> Part:
    """The section. `folder`: the results folder, whose sheet of pictures to label is laid in where it is there."""
    title, words, *blocks = advice.document()
    assert isinstance(title, Heading)
    rest = "\n".join(scrolling(block, FOLDER, number) for number, block in enumerate(blocks))
    try:
        picture = (
            base64.b64encode((folder / FOLDER / PICTURES).read_bytes()).decode() if advice.wanted else ""
        )
    except OSError:
        picture = ""
    if picture:
        rest += f'\n<p><img src="data:image/png;base64,{picture}" alt="The pictures to label first, in order"></p>'
    chart = gain_chart(advice.evidence)
    return Part(FOLDER, title.text, scrolling(words, FOLDER, 0), [("", [chart])] if chart else [], rest)


def gain_chart(evidence: Evidence) -> Chart | None:
    """Gains over labels alone; None where there is none."""
    reference = evidence.reference
    gains = [
        Gain(one.title, found.mean, found.interval, found.stands, found.folds)
        for one in evidence.scored
        if one is not reference and (found := evidence.over_reference(one))
    ]
    if not gains:
        return None
    unit = evidence.metric.unit or evidence.metric.symbol
    axis = linear(
        f"gain over {reference.title}, {unit} (right is better)",
        [0.0, *(end for gain in gains for end in (gain.mean, *(gain.interval or ())))],
    )
    title = f"{evidence.task}: gain over {reference.title}"
    svg = forest(title, "; ".join(map(in_words, gains)), axis, gains, FOLDER)
    return Chart(title, svg, (), "Bars: 95 % intervals. Filled: what stands.")
