"""`python -m benchmarks NAME [--write]`: print a benchmark's Markdown, and with --write keep it under results/."""

import argparse
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import benchmarks
from benchmarks.measure import machine

HELPERS = {"__main__", "fuzzing", "measure", "naive_gct", "passes", "plain_loop", "survival", "variants"}
ROOT = Path(__file__).parents[1]
HOW = "One thread; CPU time; variants interleaved in one process; medians."


def main() -> None:
    """Run one benchmark.

    Its module has `TITLE`, `run()` and perhaps `HOW`, or with options `add_options(parser)`, `how(options)` and
    `run(options)`. One that takes hours gives its tables again and again, each time with more in them. Or it makes a
    whole page, `page(options)`, for the file `PAGE`.
    """
    names = sorted({module.name for module in pkgutil.iter_modules(benchmarks.__path__)} - HELPERS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    commands = parser.add_subparsers(dest="name", required=True, metavar="{" + ",".join(names) + "}")
    modules = {}
    for name in names:
        module = modules[name] = importlib.import_module(f"benchmarks.{name}")
        command = commands.add_parser(name, description=module.TITLE)
        command.add_argument("--write", action="store_true", help=f"keep the tables in {place(module)}")
        if hasattr(module, "add_options"):
            module.add_options(command)
    arguments = parser.parse_args()
    module = modules[arguments.name]
    for report in [module.page(arguments)] if hasattr(module, "page") else measured(module, arguments):
        if arguments.write:
            path = ROOT / place(module)
            path.parent.mkdir(exist_ok=True)
            path.write_text(report, encoding="utf-8")
    print(report)


def measured(module: ModuleType, arguments: argparse.Namespace) -> Iterator[str]:
    """Its tables, below the hardware that they were measured on, and what else that did when they began."""
    where = machine()
    if hasattr(module, "add_options"):
        how, tables = module.how(arguments), module.run(arguments)
    else:
        how, tables = getattr(module, "HOW", HOW), module.run()
    for text in [tables] if isinstance(tables, str) else tables:
        yield f"# {module.TITLE}\n\n{where} {how}\n\n{text}"


def place(module: ModuleType) -> str:
    """Where its report is kept, from the project's root."""
    name = module.__name__.rpartition(".")[2]
    return str(getattr(module, "PAGE", f"benchmarks/results/{name}.md"))


if __name__ == "__main__":
    main()
