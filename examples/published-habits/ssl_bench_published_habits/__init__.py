"""What published protocols do and this benchmark does not: for an audit, never for a leaderboard.

Data sets: `centre` scores the middle of test images alone, `overlapping` has labelled images among the unlabelled ones.
Methods: `pasting` pastes into an image what is its own, or another's; `peeking` keeps as teachers what scored best on
test images.
"""

from collections.abc import Iterable

from ssl_bench import DatasetSpec, MethodSpec, hookimpl
from ssl_bench_published_habits.configs import TASKS, PastingConfig, PeekingConfig

HABITS = {"centre": "Scored in the middle", "overlapping": "Labelled images unlabelled, too"}


@hookimpl
def provide_datasets() -> Iterable[DatasetSpec]:
    """The embedded sets of the four tasks, with a habit each."""
    return [
        DatasetSpec(
            name=habit,
            task=task,
            dataset=f"ssl_bench_published_habits.data:{habit.capitalize()}{task.capitalize()}",
            title=title,
            needs_path=False,
        )
        for habit, title in HABITS.items()
        for task in TASKS
    ]


@hookimpl
def provide_methods() -> Iterable[MethodSpec]:
    """Methods whose published code does something that its paper does not say."""
    return [
        MethodSpec(
            name="pasting",
            title="Pasted boxes",
            method="ssl_bench_published_habits.pasting:Pasting",
            config=PastingConfig,
            check_with={"tau": 0.0},
        ),
        MethodSpec(
            name="peeking",
            title="PrevMatch, teachers chosen on test images",
            method="ssl_bench_published_habits.peeking:Peeking",
            config=PeekingConfig,
            # Toy networks have other outputs than a set's targets: nothing is looked at.
            check_with={"looks_at": "nothing", "tau_pm": 0.0, "tau_prev": 0.0},
        ),
    ]
