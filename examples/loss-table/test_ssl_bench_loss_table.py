"""What the package promises, as `ssl-bench check loss-table` has it, and that no step is written twice."""

from pathlib import Path

import ssl_bench_loss_table

from ssl_bench.testing import contract_tests

test_contract = contract_tests(ssl_bench_loss_table)


def test_a_resume_takes_back_the_steps_it_repeats(tmp_path: Path) -> None:
    for start in (0, 2):
        tracker = ssl_bench_loss_table.LossTableTracker()
        tracker.start(tmp_path, {"id": "cell"}, start)
        for step in range(start + 1, 5):
            tracker.step(step, {"model/task": 0.5})
        tracker.end({})
    rows = (tmp_path / "loss-table.csv").read_text().splitlines()
    assert rows == ["step,term,loss", *(f"{step},model/task,0.5" for step in range(1, 5))]
