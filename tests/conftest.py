"""What tests share."""

import os
import signal
import tempfile

# Before numpy and torch start their thread pools: two test processes share two cores.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.pop("SSL_BENCH_DATA", None)
# What commands keep in mind of their user is not to be this one's.
STATE = tempfile.TemporaryDirectory()
os.environ["XDG_STATE_HOME"] = STATE.name
# CUDA must not be started before the tests of a GPU, which come last: some others fork.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
GPUS = os.environ.get("CUDA_VISIBLE_DEVICES")

from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from functools import cache  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

torch.set_num_threads(1)
# A busy machine is no fault of what is tested, and a test that fails once in a while is one of nothing.
settings.register_profile("ssl-bench", deadline=None, derandomize=True)
settings.load_profile("ssl-bench")


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit status."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run `ssl-bench ARGUMENTS` in this process."""
    from ssl_bench.cli import main

    def call(*arguments: object) -> Said:
        monkeypatch.setattr("sys.argv", ["ssl-bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        said = capsys.readouterr()
        return Said(exit_.value.code or 0, said.out, said.err)  # type: ignore[arg-type]

    return call


@pytest.fixture(scope="session")
def small_cell(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a cell of a task, trained for a few steps on the embedded data, once for all tests."""
    from ssl_bench.plan.plan import Request, make_plan
    from ssl_bench.registry.loading import load_registry
    from ssl_bench.store.results import ResultStore
    from ssl_bench.worker.worker import run_cell

    registry, root = load_registry(), tmp_path_factory.mktemp("cells")

    @cache
    def train(task: str, backbone: str = "unet-small") -> Path:
        fields = ("iterations=6", "crop=32", "optimizer.learning_rate=0.005")
        settings = [f"{task}.{field}" for field in fields]
        request = Request(
            tasks=task, methods="supervised", settings=settings, backbones=backbone, labels=("1/8",)
        )
        folder = ResultStore(root).stage(make_plan(registry, request).orders[0]).path
        run_cell(folder, torch.device("cpu"), registry)
        return folder

    return train


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, the longest before the other slow ones, so that workers end together, and those of a GPU last.

    These are skipped where there is none.
    """
    if not torch.cuda.is_available() and "SSL_BENCH_GPU_TESTS_ON" not in os.environ:
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
    items.sort(
        key=lambda item: (
            [name in item.keywords for name in ("gpu", "slow")] + ["longest" not in item.keywords]
        )
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """All other tests are of the CPU, and see no GPU. Each begins with Ctrl-C as a terminal gives it."""
    # What a script starts in its background ignores it, and a test that imports a worker's modules may leave it to end
    # this process without a word.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "gpu" not in item.keywords:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif GPUS is None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = GPUS
