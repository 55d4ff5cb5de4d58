"""What the folds let one say, from scores that are made up."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ssl_bench.advise.advice import FOLDER, LIST, PICTURES, Advice, table
from ssl_bench.advise.evidence import Entrant, Evidence, Scores
from ssl_bench.advise.finish import keep
from ssl_bench.advise.verdict import so_far, verdict
from ssl_bench.leaderboard.formats.markdown import render_markdown
from ssl_bench.specs import Metric, Role
from ssl_bench.store.results import ResultStore

DECIBEL = Metric(name="psnr", symbol="PSNR", unit="dB")
BASE = np.random.default_rng(1).normal(20, 1, 12)


def scores(gain: float, spread: float = 0.1, seed: int = 2) -> Scores:
    values = BASE + gain + np.random.default_rng(seed).normal(0, spread, 12)
    return {f"{number // 6}.{number % 6}": float(value) for number, value in enumerate(values)}


def entrant(row: str, role: Role, found: Scores) -> Entrant:
    return Entrant(row, row.upper(), role, found, (10.0,))


def evidence(
    *entrants: Entrant, metric: Metric = DECIBEL, unlabeled: int = 50, few: float = -2.0
) -> Evidence:
    return Evidence(
        task="Night",
        metric=metric,
        labels=12,
        unlabeled=unlabeled,
        learnt=10,
        tested=2,
        entrants=entrants,
        fewer={5: scores(few, seed=9)},
    )


SUPERVISED = entrant("supervised", "baseline", scores(0, 0))


def test_a_gain_that_stands() -> None:
    found = evidence(
        SUPERVISED,
        entrant("control", "control", scores(0.1, seed=3)),
        entrant("mt", "ssl", scores(0.05, seed=4)),
        entrant("fixmatch", "ssl", scores(1.3, seed=5)),
    )
    assert found.chosen.row == "fixmatch"
    first, *others = verdict(found)
    assert first.startswith("FIXMATCH gains 1.")
    assert "over training on your labels alone (SUPERVISED), about what" in first
    # A doubling brings 2 dB, so that 1.3 dB are worth 12 * (2 ** 0.65 - 1) = 6.8 labels.
    assert "about what 7 more labels would bring." in first or "about what 6 more labels" in first
    assert any(line.startswith("The gain is not BatchNorm's: over CONTROL it is") for line in others)
    assert not any("cannot be told from it" in line for line in others)
    assert any(line.startswith("Twice as many labels bring SUPERVISED 2.") for line in others)


def test_a_gain_that_is_batch_norms() -> None:
    found = evidence(
        SUPERVISED,
        entrant("control", "control", scores(1.0, seed=3)),
        entrant("mt", "ssl", scores(1.03, seed=4)),
    )
    assert found.chosen.row in ("mt", "control")
    assert any("BatchNorm" in line for line in verdict(found))
    assert not any("The gain is not BatchNorm's" in line for line in verdict(found))


def test_nothing_stands() -> None:
    found = evidence(SUPERVISED, entrant("mt", "ssl", scores(0.1, 2.0, seed=4)), unlabeled=2)
    assert found.chosen is SUPERVISED
    first, second, *_ = verdict(found)
    assert first.startswith(
        "Nothing stands above training on your labels alone (SUPERVISED): MT comes closest with"
    )
    assert first.endswith("Train on them alone, and label 2 more.")
    assert second == "With 2 images without a label to 12 with one there is little to learn from them."


def test_what_is_behind_is_no_gain() -> None:
    found = evidence(SUPERVISED, entrant("mt", "ssl", scores(-3.0, seed=4)))
    assert found.chosen is SUPERVISED
    assert not found.in_contention(found.scored[1])
    assert verdict(found)[0].startswith(
        "Nothing stands above training on your labels alone (SUPERVISED), nor is any method above it in the mean: MT "
        "comes closest with -3."
    )
    assert verdict(found)[0].endswith("Train on them alone, and label 8 more.")


def test_the_control_is_no_method_that_comes_close() -> None:
    found = evidence(
        SUPERVISED,
        entrant("control", "control", scores(-1.0, 2.0, seed=3)),
        entrant("mt", "ssl", scores(-3.0, 2.0, seed=4)),
        unlabeled=0,
    )
    assert ": MT comes closest with -" in verdict(found)[0]
    assert verdict(found)[0].endswith("Train on them alone.")


def test_where_lower_is_better() -> None:
    sad = Metric(name="sad", symbol="SAD", higher_is_better=False)
    found = evidence(SUPERVISED, entrant("mt", "ssl", scores(-1.5, seed=4)), metric=sad)
    assert found.chosen.row == "mt"
    assert verdict(found)[0].startswith("MT gains 1.")


@pytest.mark.parametrize(("spread", "said"), [(0.1, "."), (5.0, ", which may be chance.")])
def test_the_best_of_the_baselines_is_the_reference(spread: float, said: str) -> None:
    frozen = entrant("frozen-encoder", "baseline", scores(2.0, spread, seed=6))
    found = evidence(SUPERVISED, frozen, entrant("mt", "ssl", scores(1.0, seed=4)))
    assert found.level(frozen) > found.level(SUPERVISED)
    assert found.reference is frozen
    assert found.chosen is frozen
    assert "(FROZEN-ENCODER)" in verdict(found)[0]
    (line,) = [line for line in verdict(found) if line.startswith("Of what learns from your labels alone")]
    assert "FROZEN-ENCODER is best in the mean: over SUPERVISED it has +" in line
    assert line.endswith(f"]{said}")
    worse = evidence(SUPERVISED, entrant("lora", "baseline", scores(-1.0, seed=6)))
    assert worse.reference is SUPERVISED
    assert not any("best in the mean" in line for line in verdict(worse))


def test_labels_that_bring_nothing_are_worth_nothing() -> None:
    found = evidence(SUPERVISED, entrant("mt", "ssl", scores(1.3, seed=4)), few=0.0)
    assert found.worth_in_labels(1.3) is None
    assert any(line.startswith("What more labels would bring cannot be told yet") for line in verdict(found))


@pytest.mark.parametrize("gain", [3.9, 40.0])
def test_beyond_four_times_the_labels_nothing_is_reckoned(gain: float) -> None:
    found = evidence(SUPERVISED, entrant("mt", "ssl", scores(gain, seed=4)), few=-1.0)
    assert ", more than 36 further labels would bring." in verdict(found)[0]


def test_intervals_of_gains_hold_together() -> None:
    one = evidence(SUPERVISED, entrant("mt", "ssl", scores(1.0, 1.0, seed=4)))
    many = evidence(
        SUPERVISED,
        entrant("mt", "ssl", scores(1.0, 1.0, seed=4)),
        *(entrant(f"m{number}", "ssl", scores(0.0, seed=10 + number)) for number in range(4)),
    )
    narrow, wide = one.over_reference(one.scored[1]), many.over_reference(many.scored[1])
    assert narrow is not None
    assert wide is not None
    assert wide.interval[0] < narrow.interval[0]


def test_before_any_method_has_run() -> None:
    found = evidence(
        SUPERVISED,
        entrant("frozen-encoder", "baseline", scores(0.3, seed=6)),
        entrant("control", "control", scores(-1.0, seed=4)),
    )
    first = so_far(found)
    assert first.startswith("SUPERVISED, on your labels alone, scores ")
    assert "; over it FROZEN-ENCODER has +0." in first
    assert "; over it CONTROL has -1." in first
    assert verdict(found)[:2] == ["No method that learns from unlabelled images has run.", first]
    none = evidence(*found.entrants, unlabeled=0)
    said = "There is no image without a label, and so nothing to learn from but your labels."
    assert verdict(none)[:2] == [said, first]


def test_a_method_left_out_of_hard_folds_is_not_ahead_for_it() -> None:
    easy = [fold for fold, score in SUPERVISED.scores.items() if score > np.median(BASE)]
    few = {fold: SUPERVISED.scores[fold] - 0.1 for fold in easy}
    found = evidence(SUPERVISED, entrant("mt", "ssl", few))
    assert np.mean(list(few.values())) > np.mean(BASE)
    assert found.level(found.scored[1]) == pytest.approx(np.mean(BASE) - 0.1)


def test_what_labels_bring_is_said_of_who_learnt_from_fewer() -> None:
    lora = entrant("lora", "baseline", scores(1.0, seed=6))
    found = evidence(SUPERVISED, lora, entrant("mt", "ssl", scores(2.5, seed=4)))
    assert (found.chosen.row, found.reference) == ("mt", lora)
    assert "(LORA)." in verdict(found)[0], "what a gain over another baseline is worth is not known"
    assert any(line.startswith("Twice as many labels bring SUPERVISED 2.") for line in verdict(found))


def test_a_method_without_a_fold_in_common_says_nothing() -> None:
    alone = {"0.0": 20.0}
    rest = {fold: score for fold, score in SUPERVISED.scores.items() if fold not in alone}
    found = evidence(entrant("supervised", "baseline", rest), entrant("mt", "ssl", alone))
    assert [one.row for one in found.scored] == ["supervised"]
    assert verdict(found)[0] == "No method that learns from unlabelled images has run."


def test_gains_over_the_control_hold_together_as_well() -> None:
    others = [entrant(f"m{number}", "ssl", scores(0.0, seed=10 + number)) for number in range(4)]
    control, method = (
        entrant("control", "control", scores(0, 0)),
        entrant("mt", "ssl", scores(1.0, 1.0, seed=4)),
    )
    one, many = evidence(SUPERVISED, control, method), evidence(SUPERVISED, control, method, *others)
    narrow, wide = one.gain_among_all(method, control), many.gain_among_all(method, control)
    assert narrow is not None
    assert wide is not None
    assert wide.interval[0] < narrow.interval[0]
    gain = table(many).rows[2][-3].spans[0].text
    assert f"[{wide.interval[0]:.2f}, {wide.interval[1]:.2f}]" in gain


def test_the_score_on_test_images_is_told_once() -> None:
    answer = Advice("set", evidence(SUPERVISED), "a network", tested=(21.234, 7))
    text = render_markdown(answer.document())
    assert "On the folder's own 7 test images, seen once, the network has PSNR 21.23 dB." in text
    assert "test image" not in render_markdown(replace(answer, tested=None).document())


def test_a_list_of_another_answer_does_not_stay(tmp_path: Path) -> None:
    study = SimpleNamespace(store=ResultStore(tmp_path))
    answer = Advice("set", evidence(SUPERVISED), "a network")
    for name in (LIST, PICTURES):
        (tmp_path / FOLDER).mkdir(exist_ok=True)
        (tmp_path / FOLDER / name).write_text("of before")
    folder = keep(study, answer, SimpleNamespace(), [])  # type: ignore[arg-type]
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "advice.json"]
