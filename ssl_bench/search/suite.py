"""The winners of a search as a suite file that `ssl-bench run` takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from ssl_bench.machine.files import toml
from ssl_bench.search.trials import RULE, Outcome


def winner_suite(
    options: Mapping[str, Any], settings: Mapping[str, Any], outcomes: Sequence[Outcome]
) -> str | None:
    """TOML with the options of the search, the chosen settings and the number of trials; None while one is open.

    `options`: keys and values of a suite file. `settings`: of `--set`, which the chosen ones go before.
    """
    if not outcomes or any(outcome.best is None for outcome in outcomes):
        return None
    methods = list(dict.fromkeys(outcome.row for outcome in outcomes))
    lines = [
        f"# Chosen by `ssl-bench tune` on labelled images that were held out of training: {RULE}",
        *(f"{key} = {toml(value)}" for key, value in options.items()),
        f"tasks = {toml(list(dict.fromkeys(outcome.task for outcome in outcomes)))}",
        f"methods = {toml(methods)}",
        "",
        "[trials]",
        # By task: on another one nothing was searched for.
        *(f"{outcome.task}.{outcome.method} = {len(outcome.trials)}" for outcome in outcomes),
        "",
        "[set]",
    ]
    chosen = dict(settings)
    for outcome in outcomes:
        assert outcome.best is not None
        for field, value in outcome.best.point.items():
            chosen[f"{outcome.task}.{outcome.method}.{field}"] = value
    return "\n".join([*lines, *(f"{path} = {toml(value)}" for path, value in chosen.items())]) + "\n"
