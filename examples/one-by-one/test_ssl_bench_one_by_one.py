"""What the package promises, as `ssl-bench check one-by-one` has it, and that every job ends in one outcome."""

import json
from pathlib import Path

import ssl_bench_one_by_one

from ssl_bench import Job, Wanted
from ssl_bench.testing import contract_tests

test_contract = contract_tests(ssl_bench_one_by_one)


def test_each_job_ends_in_one_outcome(tmp_path: Path) -> None:
    jobs = [Job(name, tmp_path / name) for name in ("finished", "broken")]
    for job in jobs:
        job.folder.mkdir()
    record = {"schema": 1, "cell": {"id": "finished"}, "metrics": {}}
    (tmp_path / "finished" / "result.json").write_text(json.dumps(record))
    settings = ssl_bench_one_by_one.OneByOneSettings()
    executor = ssl_bench_one_by_one.OneByOneExecutor(Wanted(devices="cpu"), settings)
    ends = {outcome.cell: outcome.status for outcome in executor.run(jobs) if outcome is not None}
    assert ends == {"finished": "finished", "broken": "failed"}
