"""What a column tells, in a sentence: whether labels are what is missing, and who gains."""

from collections.abc import Iterable, Sequence
from typing import Any

from ssl_bench.dataset import FEW_TESTED
from ssl_bench.leaderboard.model import Listing, Span, words
from ssl_bench.leaderboard.reading.board import Section
from ssl_bench.leaderboard.reading.columns import Column
from ssl_bench.leaderboard.reading.entry import Measure
from ssl_bench.leaderboard.reading.fields import MISSING
from ssl_bench.leaderboard.reading.rows import Row, column_titles
from ssl_bench.leaderboard.reading.scores import shown
from ssl_bench.leaderboard.reading.standing import Standing
from ssl_bench.significance.comparison import Difference
from ssl_bench.words import number_of

MOST = 5
"""Methods that a sentence names of each kind; the comparison has them all."""
Part = tuple[str | Span, ...]


def verdicts(section: Section) -> Listing:
    """What each column of a section tells, in a sentence."""
    return Listing([verdict(section, number) for number in range(len(section.table.columns))])


def verdict(section: Section, number: int) -> tuple[Span, ...]:
    """What a column of a table tells, as spans; nothing is said to gain that does not at 95 %."""
    column, standing = section.table.columns[number], section.standings[number]
    title = Span(column_titles(section.table)[number])
    rows = [row for row in section.rows if standing.field.index(row) is not None]
    size = (f" ({_size(column, standing)}", *_seeds_alone(standing, rows), "): ")
    return words(title, *size, *_told(standing, rows, column.head.primary))


def _size(column: Column, standing: Standing) -> str:
    """`4 labels, 2 test images, n = 15 on 3 splits`; how many are tested where they are few."""
    of_split = [
        sample for sample in standing.field.samples if any(split is not None for split, _ in sample.scores)
    ]
    most = max((len(sample.scores) for sample in of_split or standing.field.samples), default=0)
    splits = len(column.split_seeds)
    labels = column.head.labeled
    counted = f"{labels} label{'' if labels == '1' else 's'}, " if labels != MISSING else ""
    tested = max(column.images, default=FEW_TESTED)
    counted += f"{number_of(tested, 'test image')}, " if tested < FEW_TESTED else ""
    where = "" if most < 2 or not splits else " on one split" if splits == 1 else f" on {splits} splits"
    return f"{counted}n = {most}{where}"


def _seeds_alone(standing: Standing, rows: Sequence[Row]) -> Part:
    """Which methods are compared over seeds alone, where they are."""
    rows = [row for row in rows if row is not standing.baseline]
    rows = [row for row in rows if standing.difference(row, standing.baseline)]
    alone = [row for row in rows if standing.over_seeds_alone(row)]
    of_some = (" for ", *_listed([_name(row) for row in alone])) if len(alone) < len(rows) else ()
    return (", seeds alone", *of_some) if alone else ()


def _told(standing: Standing, rows: Sequence[Row], measure: Measure) -> Part:
    if len(standing.field.rows) < 2:
        return ("one method alone: nothing to compare.",)
    if standing.baseline is None:
        return ("no baseline was run, so no gain is known.",)
    others = [row for row in standing.field.rows if row is not standing.baseline]
    one_image = all(sample.images == 1 for sample in standing.field.samples)
    if all(standing.difference(row, standing.baseline) is None for row in others):
        several = any(len(sample.scores) > 1 for sample in standing.field.samples)
        have = "too few common pairs of split and seed" if several else "a single run of each"
        further = "further seeds and more test images" if one_image else "further seeds"
        return (
            f"{have}: nothing can be told apart, nor is it known whether labels are what is missing; {further} would "
            "tell.",
        )
    parts: list[str | Span] = [*_labels(standing, measure)]
    if standing.ranks:
        gains = list(_gains(standing, rows, measure))
        for place, part in enumerate(gains):
            parts += ["; " if place else " ", *part]
        parts += ["."] if gains else []
    if one_image:
        parts.append(
            " One test image: intervals speak for seeds alone, and only more images would tell of others."
        )
    return tuple(parts)


def _labels(standing: Standing, measure: Measure) -> Part:
    difference = standing.difference(standing.bound, standing.baseline)
    if difference is None:
        runs = "there are too few runs with all of them" if standing.bound else "no run has all of them"
        return (f"whether labels are what is missing is not known from these runs, for {runs}.",)
    added = ("all labels add ", *_amount(difference, measure, measure.unit))
    if standing.labels == "missing":
        return (*added, ", so labels are what is missing.")
    return (
        *added,
        ", no gain that stands: labels are not what is missing here, and no method is ranked.",
    )


def _gains(standing: Standing, rows: Sequence[Row], measure: Measure) -> Iterable[Part]:
    """Control and methods that gain, the best first; those behind, those that cannot be told apart, those with too few
    runs."""
    baseline = standing.baseline
    assert baseline is not None
    low = _name(baseline)
    gaining: list[Row] = []
    behind: list[Part] = []
    alike: list[Part] = []
    unknown: list[Part] = []
    compared = [row for row in rows if row.competes or row is standing.control]
    for row in sorted(compared, key=lambda row: row.competes):
        difference = standing.difference(row, baseline)
        if row is baseline:
            continue
        if difference is None:
            unknown.append(_name(row))
        elif not difference.stands:
            alike.append(_name(row))
        elif standing.field.gains(difference):
            gaining.append(row)
        else:
            behind.append(
                (*_name(row), f" by {abs(shown(difference.mean, measure.digits)):.{measure.digits}f}")
            )
    for row in sorted(gaining, key=lambda row: _standing_first(standing, row))[:MOST]:
        difference = standing.difference(row, baseline)
        assert difference is not None
        gained = (" gains ", *_amount(difference, measure), " over ")
        yield (*_name(row), *gained, *low, *_against_control(standing, row, measure))
    if len(gaining) > MOST:
        further = len(gaining) - MOST
        yield (f"{further} more {'gains' if further == 1 else 'gain'}",)
    if behind:
        yield ("behind " if gaining else "Behind ", *low, ": ", *_listed(behind, ", "))
    if alike:
        yield (*_listed(alike), " cannot be told from ", *low)
    if unknown:
        have = "has" if len(unknown) == 1 else "have"
        yield (*_listed(unknown), f" {have} too few runs in common with ", *low)


def _standing_first(standing: Standing, row: Row) -> tuple[Any, ...]:
    """The control, which others are held against; the best; what gains over the control; then by size."""
    gain = standing.difference(row, standing.baseline)
    own = standing.difference(row, standing.control)
    alone = own is None or not standing.field.gains(own)
    return (row.competes, not standing.is_best(row), alone, -abs(gain.mean) if gain else 0.0)


def _against_control(standing: Standing, row: Row, measure: Measure) -> Part:
    if standing.control is None or row is standing.control:
        return ()
    difference = standing.difference(row, standing.control)
    if difference is None:
        return (" and has too few runs in common with the control",)
    if not difference.stands:
        return (" but cannot be told from the control",)
    if standing.field.gains(difference):
        return (" and ", *_amount(difference, measure), " over the control")
    return (" but is ", *_amount(difference, measure, back=True), " behind the control")


def _amount(difference: Difference, measure: Measure, unit: str = "", *, back: bool = False) -> Part:
    """`2.60 [1.10, 4.10]`, in the direction of better, or of worse."""
    sign = 1 if measure.higher_is_better is not back else -1
    values = (sign * difference.mean, *sorted(sign * bound for bound in difference.interval))
    mean, low, high = (f"{shown(value, measure.digits):.{measure.digits}f}" for value in values)
    return (f"{mean} ", *((Span(unit), " ") if unit else ()), f"[{low}, {high}]")


def _listed(names: Sequence[Part], separator: str = " and ") -> Part:
    """Names with words between them; a comma would be taken for one of a name's own."""
    parts: list[str | Span] = []
    for name in names[:MOST]:
        parts += [separator] if parts else []
        parts += name
    return (*parts, *([f"{separator}{len(names) - MOST} more"] if len(names) > MOST else []))


def _name(row: Row) -> tuple[Span, ...]:
    return (*row.named, *row.bracketed)
