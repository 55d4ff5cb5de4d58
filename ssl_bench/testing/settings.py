"""What the settings of a method promise: a title, and a sentence with the likely cause where it is broken."""

import difflib
import json
from collections.abc import Callable
from typing import get_args

from pydantic import ValidationError

from ssl_bench.errors import first_line
from ssl_bench.plan.settings import resolve_config
from ssl_bench.recipe import Kind
from ssl_bench.registry.checks import fault_of_defaults
from ssl_bench.specs import MethodConfig
from ssl_bench.testing.toys import toy_spec
from ssl_bench.testing.trial import Trial


def settings_can_be_written(trial: Trial) -> str | None:
    """Look whether a record can hold the settings and give them back."""
    if not issubclass(trial.spec.config, MethodConfig):
        return f"{trial.spec.config.__name__} is no subclass of ssl_bench.specs.MethodConfig"
    config = resolve_config(toy_spec(trial.kind), trial.spec, {})
    try:
        again = trial.spec.config(**json.loads(json.dumps(config.model_dump(mode="json"))))
    except Exception as error:
        return (
            f"the settings do not survive JSON ({first_line(error)}); give fields plain types: "
            "numbers, texts, booleans, tuples of them"
        )
    return None if again == config else "the settings are not the same after a round trip through JSON"


def settings_of_tiers_are_settings(trial: Trial) -> str | None:
    """Look whether what tiers set can be set at all, and whether there are such tiers and kinds."""
    if amiss := fault_of_defaults(trial.spec.config):
        return amiss
    for tier, of_tier in trial.spec.config.tier_defaults.items():
        for name, found in of_tier.items():
            try:
                trial.spec.config(**found.settings)
            except ValidationError as error:
                fault = error.errors()[0]
                return f"tier_defaults of {name} in tier {tier}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    return None


def settings_are_of_tasks_that_are_there(trial: Trial) -> str | None:
    """Look for names of tasks that are misspelt, whose settings would serve nobody."""
    config = trial.spec.config
    known = {*trial.tasks, *get_args(Kind)}
    named = {"task_defaults": config.task_defaults} | {
        f"tier_defaults of tier {tier}": of_tier for tier, of_tier in config.tier_defaults.items()
    }
    for where, names in named.items():
        for name in names:
            # A name that is like no other may be of a task that is not installed here.
            if name not in known and (near := difflib.get_close_matches(name, known, n=1, cutoff=0.75)):
                return (
                    f"{where} name '{name}', which no task is called, so that they would serve nobody; did you mean "
                    f"'{near[0]}'?"
                )
    return None


SETTINGS_CHECKS: tuple[Callable[[Trial], str | None], ...] = (
    settings_can_be_written,
    settings_of_tiers_are_settings,
    settings_are_of_tasks_that_are_there,
)
