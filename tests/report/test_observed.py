"""What is said and drawn of targets."""

import re
from typing import Any

import pytest
from test_leaderboard import Change
from test_more_tables import at
from written import make_report

from ssl_bench.report.diagnosis import Moment, mean_of, moments, sentences
from ssl_bench.store.observed import Observation, Seen


def said(unit: str, *seen: dict[str, Any]) -> str:
    every = [Moment(10 * (step + 1), Seen(pixels=5, **each)) for step, each in enumerate(seen)]
    return " ".join(sentences({"target": every}, unit))


def gap(target: float, student: float, **more: Any) -> dict[str, Any]:
    return {"score": target, "student": student, **more}


def test_a_sentence_says_since_when_and_by_how_much() -> None:
    assert said("%", gap(50, 49), gap(51, 52), gap(52, 55)) == (
        "target: targets are worse than the student from step 20 on (3.0 points at the end): consistency pulls down."
    )
    assert "worse than the student throughout (2.0 dB" in said("dB", gap(20, 21), gap(20, 22))
    assert "better than the student throughout (1.0 dB at the end): there is something" in said(
        "dB", gap(21, 20), gap(22, 21)
    )
    assert "about as good as the student" in said("%", gap(50, 60), gap(60, 60.4))
    # What a gate lets through is what is taught.
    kept = gap(50, 60, kept=0.3, score_kept=90.0, student_kept=80.0)
    assert said("%", kept) == (
        "target: targets are better than the student from step 10 on (10.0 points at the end): there is something to "
        "learn; the gate keeps 30 %."
    )
    assert "keeps next to nothing (0.4 %)" in said("%", {**kept, "kept": 0.004})


def test_a_sentence_says_what_doubt_and_confidence_are_worth() -> None:
    assert said("%", {"detection": 0.55}) == (
        "target: what it is unsure of says hardly anything of which targets are bad (area under ROC 0.55)."
    )
    assert "says something of where errors are (rank correlation 0.25)" in said("dB", {"correlation": 0.25})
    assert "says much of where errors are" in said("dB", {"correlation": 0.5, "detection": 0.5})
    assert "surer than right, by 30 points" in said("%", {"bins": [[1.0, 0.9, 0.6]]})
    assert "less sure than right, by 20 points" in said("%", {"bins": [[0.5, 0.5, 0.7], [0.5, 0.6, 0.8]]})
    assert said("%", {"bins": [[1.0, 0.9, 0.88]]}) == ""


def test_runs_have_their_mean_and_pooled_bins() -> None:
    one = Seen(pixels=2, score=50.0, bins=[[1.0, 0.9, 0.5]])
    other = Seen(pixels=4, score=70.0, kept=0.5, bins=[[0.5, 0.92, 1.0], [0.5, 0.3, 0.0]])
    mean = mean_of([one, other])
    assert (mean.pixels, mean.score, mean.kept, mean.student) == (6, 60, 0.5, None)
    assert mean.bins[0] == [0.25, 0.3, 0.0]
    assert mean.bins[1] == pytest.approx([0.75, (0.9 + 0.46 / 1) / 1.5, 1.0 / 1.5])
    runs = [[Observation(step=step, rows=2, seen={"a": one})] for step in (3, 3)]
    assert [moment.step for moment in moments(runs)["a"]] == [3]


def page(records: list[Change]) -> str:
    return make_report([("", record) for record in records])


def observed(name: str = "target", **more: Any) -> list[Change]:
    seen = {
        "pixels": 9,
        "kept": 0.5,
        "score": 15.0,
        "score_kept": 16.0,
        "student": 17.0,
        "student_kept": 18.0,
    }
    records = []
    for method in ("supervised", "mt"):
        for seed in range(2):
            record = at("night", method, seed, 20.0 + seed, 16)
            record["observed"] = [
                {
                    "step": step,
                    "rows": 4,
                    "deployed": 15.0,
                    "seen": {name: {**seen, **more}} if method == "mt" else {},
                }
                for step in (5, 10)
            ]
            records.append(record)
    return records


def test_the_page_shows_what_was_observed_and_nothing_where_nobody_was() -> None:
    unobserved = [{key: value for key, value in each.items() if key != "observed"} for each in observed()]
    assert 'id="observed"' not in page(unobserved)
    text = page(observed())
    assert 'id="observed"' in text
    assert (
        "target: targets are worse than the student throughout (2.0 dB at the end): consistency pulls down"
        in text
    )
    assert "student where kept: 18 at the end" in text
    bins = {"bins": [[0.4, 0.55, 0.5], [0.6, 0.95, 0.7]], "calibration": 0.17}
    assert "(ECE 17.0 %)" in page(observed(**bins))


def test_what_stands_in_a_record_cannot_break_the_page() -> None:
    text = page(observed(name="<script>alert(1)</script>"))
    assert "<script>alert(1)" not in text
    assert re.search(r"&lt;script&gt;alert\(1\)", text)
    strange = observed()
    strange[0]["observed"] = [7, {"step": "x"}, None]
    strange[2]["observed"][0]["seen"]["target"]["bins"] = [[1], [None, 1.0, 2.0]]
    assert 'id="observed"' in page(strange)
