"""Large tensors come from a heap that is kept: the system does not clear the same pages again in every step."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
{prepare}
import torch
from torch import nn

torch.set_num_threads(1)
network = nn.Sequential(*(nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU()) for _ in range(4)))
images = torch.rand(1, 8, 1100, 1100)  # Activations of 39 MB, above what glibc keeps.
network(images).sum().backward()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    network(images).sum().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(prepare: str) -> int:
    program = PROGRAM.format(prepare=prepare)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives large blocks back at once")
def test_training_steps_reuse_the_pages_of_the_steps_before() -> None:
    kept = page_faults("from ssl_bench.machine.heap import keep_heap; keep_heap()")
    assert kept < page_faults("") / 4
