"""What the package promises, as `ssl-bench check one-by-one` has it, and that a job ends whose folder is gone."""

from pathlib import Path

import ssl_bench_one_by_one

from ssl_bench import REMOVED, Job, Wanted
from ssl_bench.testing import contract_tests

test_contract = contract_tests(ssl_bench_one_by_one)


def test_a_job_whose_folder_is_gone_ends(tmp_path: Path) -> None:
    settings = ssl_bench_one_by_one.OneByOneSettings()
    executor = ssl_bench_one_by_one.OneByOneExecutor(Wanted(devices="cpu"), settings)
    executor.open()
    assert executor.room() > 0
    handle = executor.start(Job("gone", tmp_path / "gone"))
    while (code := executor.poll(handle)) is None:
        executor.wait(0.2)
    assert code == REMOVED
