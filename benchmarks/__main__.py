"""`python -m benchmarks NAME [--write]`: print a benchmark's Markdown, and with --write keep it under results/."""

import argparse
import importlib
import pkgutil
from pathlib import Path

import benchmarks
from benchmarks.measure import machine

HELPERS = {"__main__", "measure", "survival"}


def main() -> None:
    """Run one benchmark."""
    names = sorted({module.name for module in pkgutil.iter_modules(benchmarks.__path__)} - HELPERS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("name", choices=names)
    parser.add_argument("--write", action="store_true", help="keep the tables in benchmarks/results/NAME.md")
    arguments = parser.parse_args()
    module = importlib.import_module(f"benchmarks.{arguments.name}")
    report = f"# {module.TITLE}\n\n{machine()}\n\n{module.run()}"
    print(report)
    if arguments.write:
        path = Path(__file__).parent / "results" / f"{arguments.name}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
