"""The answer in words: what the folds show, and what to do."""

from collections.abc import Iterator

from ssl_bench.advise.evidence import Entrant, Evidence
from ssl_bench.significance.folds import FoldMean
from ssl_bench.words import first_of, number_of

FEW_UNLABELED = 0.5
"""Images without a label for each with one, below which they are few."""
MORE = 8
"""Further labels that are asked for where nothing can be told."""


def verdict(evidence: Evidence) -> list[str]:
    """The answer, a sentence or two a line, the first of which says whether it pays."""
    parts = (_pays, _others, _control, _reference, _labels, _expected)
    return [line for part in parts for line in part(evidence)]


def between(evidence: Evidence, found: FoldMean, sign: str = "") -> str:
    """Write a mean with its interval: `1.30 dB [0.40, 2.20]`; with its sign, too, where that is `+`."""
    digits, unit = evidence.metric.digits, evidence.metric.unit or evidence.metric.symbol
    low, high = found.interval
    return f"{found.mean:{sign}.{digits}f} {unit} [{low:.{digits}f}, {high:.{digits}f}]"


def so_far(evidence: Evidence) -> str:
    """The answer that stands while methods still run, as a sentence or two."""
    if any(one.role == "ssl" for one in evidence.scored):
        return verdict(evidence)[0]
    first = evidence.first
    score = evidence.mean(first)
    told = [f"{first.title}, on your labels alone, scores {between(evidence, score)}"] if score else []
    for one in evidence.scored:
        if gain := evidence.gain(one, first) if one is not first else None:
            told.append(f"over it {one.title} has {between(evidence, gain, sign='+')}")
    return "; ".join(told) + "." if told else "too few folds have finished to say anything."


def few_unlabeled(evidence: Evidence) -> str:
    """Why little is to be expected of unlabelled images here, by counts alone; empty where there is no reason."""
    if not evidence.unlabeled:
        return "There is no image without a label, and so nothing to learn from but your labels."
    if evidence.unlabeled >= FEW_UNLABELED * evidence.labels:
        return ""
    images = number_of(evidence.unlabeled, "image")
    return f"With {images} without a label to {evidence.labels} with one there is little to learn from them."


def _pays(evidence: Evidence) -> Iterator[str]:
    reference, few = evidence.reference, few_unlabeled(evidence)
    if not any(one.role == "ssl" for one in evidence.candidates):
        yield few or "No method that learns from unlabelled images has run."
        yield so_far(evidence)
        return
    if not evidence.standing:
        best = max((one for one in evidence.candidates if one.role == "ssl"), key=evidence.level)
        gain = evidence.over_reference(best)
        nor = ", nor is any method above it in the mean" if gain and gain.mean <= 0 else ""
        how = (
            f"{best.title} comes closest with {between(evidence, gain, sign='+')}"
            if gain
            else "too few folds have run"
        )
        more = min(MORE, evidence.unlabeled)
        yield (
            f"Nothing stands above training on your labels alone ({reference.title}){nor}: {how}. Train on them alone"
            + (f", and label {more} more." if more else ".")
        )
        if few:
            yield few
        return
    best = evidence.standing[0]
    gain = evidence.over_reference(best)
    assert gain is not None
    yield (
        f"{best.title} gains {between(evidence, gain)} over training on your labels alone ({reference.title})"
        f"{_worth(evidence, gain.mean)}."
    )


def _worth(evidence: Evidence, gain: float) -> str:
    labels = evidence.worth_in_labels(gain)
    if labels is None:
        return ""
    if labels >= 3 * evidence.labels:
        return f", more than {3 * evidence.labels} further labels would bring"
    return f", about what {max(1, round(labels))} more labels would bring"


def _others(evidence: Evidence) -> Iterator[str]:
    if not evidence.standing:
        return
    best = evidence.standing[0]
    rest = [one for one in evidence.candidates if one is not best and one.role == "ssl"]
    equal = [one for one in rest if not _below(evidence, one, best)]
    if equal:
        yield f"{_titles(equal)} cannot be told from it."


def _below(evidence: Evidence, one: Entrant, best: Entrant) -> bool:
    gain = evidence.gain(best, one)
    return gain is not None and gain.stands


def _control(evidence: Evidence) -> Iterator[str]:
    control = evidence.control
    if not evidence.standing or control is None:
        return
    best = evidence.standing[0]
    if best is control:
        yield (
            f"{control.title} learns nothing from unlabelled images but BatchNorm's statistics, and no method is above "
            "it: that is where the gain comes from."
        )
        return
    gain = evidence.gain_among_all(best, control)
    if gain is not None and gain.stands and gain.mean > 0:
        yield f"The gain is not BatchNorm's: over {control.title} it is {between(evidence, gain)}."
    elif gain is not None:
        yield (
            f"It may be BatchNorm's: over {control.title}, which learns nothing else from unlabelled images, it is "
            f"{between(evidence, gain)}."
        )


def _reference(evidence: Evidence) -> Iterator[str]:
    reference, first = evidence.reference, evidence.first
    gain = evidence.gain(reference, first)
    if reference is first or gain is None:
        return
    sure = "" if gain.stands else ", which may be chance"
    yield (
        f"Of what learns from your labels alone {reference.title} is best in the mean: over {first.title} it has "
        f"{between(evidence, gain, sign='+')}{sure}."
    )


def _labels(evidence: Evidence) -> Iterator[str]:
    doubling = evidence.doubling
    if doubling is None:
        return
    if doubling.stands and doubling.mean > 0:
        yield f"Twice as many labels bring {evidence.first.title} {between(evidence, doubling)}."
    else:
        yield (
            f"What more labels would bring cannot be told yet ({evidence.first.title}: "
            f"{between(evidence, doubling)} where they double)."
        )


def _expected(evidence: Evidence) -> Iterator[str]:
    found = evidence.mean(evidence.chosen)
    if found is not None:
        yield (
            f"On other images of this kind expect {evidence.metric.symbol} {between(evidence, found)} of "
            f"{evidence.chosen.title}, or a little better: the folds learnt from {evidence.learnt} of "
            f"{evidence.labels} labels."
        )


def _titles(entrants: list[Entrant]) -> str:
    titles = [one.title for one in entrants]
    return first_of(titles, len(titles)) if len(titles) < 3 else f"{', '.join(titles[:-1])} and {titles[-1]}"
