"""One target under atheris, in a process of its own: `python -m benchmarks.fuzzing TARGET SEED [libFuzzer's options]`.

A case that is not let pass ends the process, and lies where `-artifact_prefix` says.
"""

import logging
import random
import sys
import tempfile
from pathlib import Path

import atheris

INSTRUMENTED = [
    "ssl_bench",
    "ssl_bench_tasks",
    "ssl_bench_plugins",
    "PIL",
    "tifffile",
    "tomllib",
    "zipfile",
    "tarfile",
]
"""Packages in which new branches are looked for."""


def main() -> None:
    """Read the seeds once, so that all modules are there and instrumented, and fuzz until told to stop."""
    name, *options = sys.argv[1:]
    logging.disable()
    with atheris.instrument_imports(include=INSTRUMENTED):
        from benchmarks.fuzzing.targets import TARGETS, run_one

        target = TARGETS[name]
        root = Path(tempfile.mkdtemp(dir=options.pop(0)))
        for content in target.seeds():
            run_one(target, content, root)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        generator = random.Random(seed)
        changed = (
            target.mutate(bytes(data), generator) if generator.random() < 0.7 else atheris.Mutate(data, most)
        )
        return bytes(changed)[:most]

    atheris.Setup(
        ["fuzz", *options], lambda data: run_one(target, data, root) and None, custom_mutator=mutate
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
