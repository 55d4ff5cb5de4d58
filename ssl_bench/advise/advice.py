"""An answer as it is kept: what the folds showed, what to do, and the network; and the same as a document."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ssl_bench.advise.evidence import Entrant, Evidence
from ssl_bench.advise.verdict import verdict
from ssl_bench.errors import DataError
from ssl_bench.leaderboard.model import (
    Block,
    Cell,
    Document,
    Grid,
    Heading,
    Listing,
    Span,
    cell,
    figure,
    missing,
    paragraph,
)
from ssl_bench.machine.files import read_json, write_json
from ssl_bench.significance.folds import FoldMean
from ssl_bench.words import duration, number_of

FOLDER, FILE = "advice", "advice.json"
PICTURES, LIST = "label-these.png", "label-these.txt"


@dataclass(frozen=True)
class Advice:
    """The answer of one command."""

    data: str
    """What the data is called."""
    evidence: Evidence
    setting: str
    """Network, budget and crop, in words."""
    left_out: tuple[tuple[str, float], ...] = ()
    """Methods that did not fit into the time, and seconds of a run of them."""
    network: str = ""
    """Id of the cell whose network learnt from all labels; empty where there is none yet."""
    wanted: tuple[str, ...] = ()
    """Files of the images to label next, the first first."""
    tested: tuple[float, int] | None = None
    """The network's score on the test images that the folder has of its own, and how many these are."""

    def document(self) -> Document:
        """The answer, the table it rests on, and what to label next."""
        blocks: list[Block] = [
            Heading(f"Does it pay to learn from unlabelled images? {self.data}", 1),
            Listing([(Span(line),) for line in (*verdict(self.evidence), *self._tested())]),
            table(self.evidence),
            paragraph(
                f"{folds_in_words(self.evidence)}; ",
                Span(self.setting),
                ". Intervals are of 95 %, and allow for folds that share most of their images; those of "
                "methods that see unlabelled images hold for all of these together.",
            ),
        ]
        if self.left_out:
            names = ", ".join(f"{row} ({duration(seconds)} a run)" for row, seconds in self.left_out)
            blocks.append(
                paragraph(
                    "Left out for lack of time: ", Span(names), "; more --minutes let them run, or --methods."
                )
            )
        if self.wanted:
            blocks += [
                Heading(f"Label these {len(self.wanted)} first"),
                Listing([(Span(name, "code"),) for name in self.wanted], numbered=True),
            ]
        return blocks

    def _tested(self) -> list[str]:
        if self.tested is None:
            return []
        metric, (score, count) = self.evidence.metric, self.tested
        value = f"{metric.symbol} {score:.{metric.digits}f} {metric.unit}".rstrip()
        return [f"On the folder's own {number_of(count, 'test image')}, seen once, the network has {value}."]


def folds_in_words(evidence: Evidence) -> str:
    """How much has been run, in words."""
    runs = max((len(one.scores) for one in evidence.scored), default=0)
    return (
        f"{number_of(runs, 'fold')}, each learning from {evidence.learnt} of {evidence.labels} labels and tested on "
        f"about {evidence.tested:.0f}; {number_of(evidence.unlabeled, 'image')} without a label"
    )


def table(evidence: Evidence) -> Grid:
    """A row a method: score, gains over labels alone and over the control, and cost."""
    metric, reference, control = evidence.metric, evidence.reference, evidence.control
    unit = f" ({metric.unit})" if metric.unit else ""
    header = ["Methods", f"{metric.symbol}{unit}", f"over {reference.title}"]
    header += [f"over {control.title}"] if control else []
    rows: list[list[Cell]] = []
    for one in evidence.scored:
        row = [cell(one.title), _score(evidence, one), _gain(evidence, one, reference)]
        row += [_gain(evidence, one, control)] if control else []
        rows.append(
            [*row, figure(str(len(one.scores))), figure(duration(one.cost)) if one.cost else missing()]
        )
    for count, scores in sorted(evidence.fewer.items()):
        if scores:
            fewer = Entrant("", f"{evidence.scored[0].title}, {count} labels", "baseline", scores)
            rows.append(
                [
                    cell(fewer.title),
                    _score(evidence, fewer),
                    *[missing()] * (2 if control else 1),
                    figure(str(len(scores))),
                    missing(),
                ]
            )
    return Grid("folds", [cell(title) for title in (*header, "Folds", "A run")], rows)


def _score(evidence: Evidence, one: Entrant) -> Cell:
    found, digits = evidence.mean(one), evidence.metric.digits
    if found is None:
        return figure(f"{evidence.sign * evidence.level(one):.{digits}f}")
    return figure(_in_brackets(found, digits))


def _gain(evidence: Evidence, one: Entrant, other: Entrant) -> Cell:
    if one is other:
        return missing()
    found = (evidence.gain_among_all if one in evidence.candidates else evidence.gain)(one, other)
    if found is None:
        return missing()
    text = _in_brackets(found, evidence.metric.digits, sign="+")
    return cell(text, "strong" if found.stands and found.mean > 0 else "figure")


def _in_brackets(found: FoldMean, digits: int, sign: str = "") -> str:
    low, high = found.interval
    return f"{found.mean:{sign}.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def write_advice(advice: Advice, folder: Path) -> None:
    """Keep an answer in a results folder."""
    write_json(folder / FOLDER / FILE, _adapter().dump_python(advice, mode="json"))


def read_advice(folder: Path) -> Advice | None:
    """The answer that a results folder holds; None for none. Raises DataError for what is no such file."""
    path = folder / FOLDER / FILE
    content = read_json(path)
    if content is None:
        return None
    try:
        return _adapter().validate_python(content)
    except ValidationError as error:
        raise DataError(
            f"{path}: no advice of this version of ssl-bench; run `ssl-bench advise` again"
        ) from error


@cache
def _adapter() -> TypeAdapter[Advice]:
    return TypeAdapter(Advice)
