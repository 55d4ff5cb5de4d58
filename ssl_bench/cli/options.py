"""Options that several commands share, and suite files that give those of `run`, `plan` and `tune` from TOML."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from ssl_bench.cli.plugins import REGISTRY, plugin_option
from ssl_bench.cli.values import Place, Seconds
from ssl_bench.devices import check_devices
from ssl_bench.errors import UsageError, suggestion
from ssl_bench.files import existing

if TYPE_CHECKING:
    from ssl_bench.registry import Registry

Function = TypeVar("Function", bound=Callable[..., Any])

MOST_SEEDS = 10_000
"""Of a range: a slip must not fill the memory."""
REPEATABLE = ("labels", "data", "dataset", "unlabeled", "set", "trials", "grid", "plugin")
LISTS = ("tasks", "methods", "backbones", "seeds", "split_seeds", "trackers")


trials_option = click.option(
    "--trials",
    multiple=True,
    metavar="[TASK.]METHOD=COUNT",
    help="How many settings were tried to find a method's, for the record; `tune` writes it into its suites; "
    "repeatable.",
)
control_option = click.option(
    "--control/--no-control",
    default=True,
    show_default=True,
    help="Also run the control of methods that learn from unlabelled images, which learns nothing from them.",
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(1), help="Cells at a time.  [default: as many as the devices carry]"
)
runs_option = click.option(
    "--runs", type=Place(), default=Path("runs"), show_default=True, help="Results folder."
)


def load_suite(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Take a suite file's values as the defaults of the options; what the command line says wins."""
    if path is None:
        return None
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"suite {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"suite {path}: not valid TOML: {error}") from error
    from ssl_bench.cli.run import run
    from ssl_bench.cli.tune import tune

    # One suite serves `run`, `plan` and `tune`, which pass over what they have no use for.
    known = [*run.get_params(context), *tune.params]
    options = {o.lstrip("-"): p.name or "" for p in known for o in p.opts if o.startswith("--")}
    options.pop("help", None)
    defaults: dict[str, Any] = {}
    for key, value in content.items():
        name = options.get(key.replace("_", "-"))
        if name is None:
            raise UsageError(f"suite {path}: unknown key '{key}'; {suggestion(key, options)}")
        key = key.replace("-", "_")
        if isinstance(value, dict) and key not in REPEATABLE:
            raise UsageError(f"suite {path}: '{key}' takes a value, and not a table")
        if isinstance(value, list) and key not in (*REPEATABLE, *LISTS):
            raise UsageError(f"suite {path}: '{key}' takes one value, and not a list")
        defaults[name] = _option_value(key, value)
    context.default_map = defaults
    return path


def together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Arguments and options as one decorator, in the order in which help shows them."""

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


plan_options = together(
    plugin_option,
    click.argument("suite", required=False, type=Place(), is_eager=True, callback=load_suite),
    click.option("--tasks", default="all", show_default=True, help="all, or a list such as a,b"),
    click.option(
        "--methods",
        default="all",
        show_default=True,
        metavar="NAME[:FIELD=VALUE;...]",
        help="all, or a list such as a,b. With settings, or a tier whose settings it takes, one is a row of its own: "
        "'a,a:x=0;y=1,a:paper'.",
    ),
    click.option(
        "--backbones",
        default="",
        help="A list; `ssl-bench list backbones` shows them.  [default: each task's own for the tier]",
    ),
    click.option(
        "--labels",
        multiple=True,
        metavar="[TASK=]VALUE",
        help="Fraction (1/8), count (100), all, or a list file; several by commas; repeatable.  "
        "[default: the task's own for the tier]",
    ),
    click.option(
        "--split-seeds",
        default="0",
        show_default=True,
        help="Draw which images are labelled, such as 0,1,2 or 0-4.",
    ),
    click.option("--seeds", default="0", show_default=True, help="Training seeds, such as 0,1,2 or 0-4."),
    click.option(
        "--tier",
        type=click.Choice(["smoke", "lite", "paper"]),
        default="smoke",
        show_default=True,
        help="Training budget: does it run, does it help, or as published.",
    ),
    click.option(
        "--data",
        multiple=True,
        metavar="TASK=PATH",
        help="A folder with a task's images; repeatable.  [default: the task's embedded set]",
    ),
    click.option(
        "--dataset",
        multiple=True,
        metavar="TASK=NAME",
        help="The layout of that folder, or another data set of the task; repeatable.",
    ),
    click.option(
        "--unlabeled",
        multiple=True,
        metavar="[TASK=]FOLDER",
        help="A folder of further images without targets; repeatable.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME.FIELD=VALUE",
        help="A setting of a method, or of a task's recipe; repeatable.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="CPU threads of each process; part of what a cell is.",
    ),
    click.option(
        "--pretrained/--no-pretrained",
        default=None,
        help="Start encoders from pretrained weights.  [default: where a network takes them]",
    ),
    click.option(
        "--weights",
        default="",
        metavar="FILE",
        help="Pretrained weights from a file (.safetensors, .pth) in place of the published ones.",
    ),
    click.option(
        "--devices",
        default="auto",
        show_default=True,
        callback=lambda context, parameter, value: check_devices(value),
        help="auto, cpu, cuda or cuda:0,1",
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16"]),
        default="auto",
        show_default=True,
        help="Of the networks; auto: bf16 on a GPU, fp32 on a CPU.",
    ),
    click.option("--channels-last", is_flag=True, help="Keep images and weights as (N, H, W, C)."),
    click.option("--compile", is_flag=True, help="Compile networks by torch.compile, where it can."),
    click.option(
        "--micro-batches",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Parts that a batch is taken in, to save memory.",
    ),
    click.option(
        "--gpus-per-cell",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="GPUs that share each batch, a process for each; on a CPU as many processes, with --threads each.",
    ),
    click.option("--trackers", default="", help="A list; `ssl-bench list trackers` shows them."),
    click.option(
        "--checkpoint-seconds",
        type=Seconds(0),
        metavar="SECONDS",
        default=15.0,
        show_default=True,
        help="Longest stretch of a cell that a kill may cost.",
    ),
    click.option(
        "--checkpoint-steps",
        type=click.IntRange(1),
        help="The same in steps, where that comes first.  [default: by time alone]",
    ),
    click.option(
        "--hang-seconds",
        type=Seconds(1),
        metavar="SECONDS",
        default=600.0,
        show_default=True,
        help="A cell that shows no sign of life for so long is ended.",
    ),
    click.option(
        "--out",
        type=Place(),
        default=Path("runs"),
        show_default=True,
        help="Results folder.",
    ),
)
"""What to compare, on which data, for how long: options of `run`, `plan` and `tune`."""


execution_options = together(
    jobs_option,
    click.option(
        "--executor",
        default="local",
        show_default=True,
        help="Who runs the cells; `ssl-bench list executors` shows them.",
    ),
    click.option(
        "--resume/--no-resume",
        default=True,
        show_default=True,
        help="Keep finished cells, go on from checkpoints.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(0),
        default=2,
        show_default=True,
        help="Further attempts at a cell that was killed, lost or hung; its own errors are final.",
    ),
)
"""How the cells run: options of `run` and `tune`."""


def request_from(options: dict[str, Any]) -> Any:
    """The `Request` that the options of `plan_options` make."""
    from ssl_bench.devices import precision_for
    from ssl_bench.execution import Execution
    from ssl_bench.plan import Request

    options = {**options, **_of_these_tasks(options)}
    return Request(
        tasks=options["tasks"],
        methods=options["methods"],
        backbones=options["backbones"],
        control=options.get("control", False),  # A search leaves it out.
        labels=options["labels"],
        split_seeds=_seeds("--split-seeds", options["split_seeds"]),
        seeds=_seeds("--seeds", options["seeds"]),
        tier=options["tier"],
        data=options["data"],
        dataset=options["dataset"],
        unlabeled=options["unlabeled"],
        settings=options["settings"],
        of_suite=click.get_current_context().get_parameter_source("settings") is ParameterSource.DEFAULT_MAP,
        threads=options["threads"],
        pretrained=options["pretrained"],
        weights=options["weights"],
        execution=Execution(
            precision=precision_for(options["precision"], options["devices"]),
            channels_last=options["channels_last"],
            compile=options["compile"],
            micro_batches=options["micro_batches"],
            processes=options["gpus_per_cell"],
        ),
        trackers=options["trackers"],
        checkpoint_seconds=options["checkpoint_seconds"],
        checkpoint_steps=options["checkpoint_steps"],
        hang_seconds=options["hang_seconds"],
        trials=options.get("trials", ()),  # A search finds them out.
    )


def _of_these_tasks(options: dict[str, Any]) -> dict[str, list[str]]:
    """What a suite gives for single tasks, without those that the command line leaves out."""
    source = click.get_current_context().get_parameter_source
    if source("tasks") is not ParameterSource.COMMANDLINE or options["tasks"].strip() == "all":
        return {}
    registry = click.get_current_context().meta[REGISTRY]
    named = {registry.task(name.strip()).name for name in options["tasks"].split(",") if name.strip()}
    return {
        name: [
            entry
            for entry in options[name]
            # A path may hold the sign, too.
            if "=" not in entry or existing(entry) or _task_of(entry, registry) in named
        ]
        for name in ("labels", "data", "dataset", "unlabeled")
        if source(name) is ParameterSource.DEFAULT_MAP
    }


def _seeds(option: str, text: str) -> tuple[int, ...]:
    """Seeds and ranges of them, `0,2-4`, each once."""
    seeds: dict[int, None] = {}
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip(), flags=re.ASCII)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last < first + MOST_SEEDS:
            raise UsageError(f"{option} '{text}': give integers of 0 or more, such as 0,1,2 or 0-4")
        seeds.update(dict.fromkeys(range(first, last + 1)))
    if len(seeds) == 1 and 1 < first <= 10:
        click.echo(
            f"note: {option} {first} is seed {first} alone; 0-{first - 1} would be {first} seeds", err=True
        )
    return tuple(seeds)


def _task_of(entry: str, registry: "Registry") -> str:
    """The task of a `TASK=VALUE`, by its name."""
    from ssl_bench.registry import called

    name = entry.partition("=")[0]
    spec = called(name, registry.sorted("tasks"))
    return spec.name if spec else name


def _option_value(key: str, value: Any) -> Any:
    if key in REPEATABLE:
        if isinstance(value, dict):
            from ssl_bench.recipe import flat
            from ssl_bench.settings import setting_text

            return [f"{name}={setting_text(item)}" for name, item in flat(value).items()]
        return [str(item) for item in value] if isinstance(value, list) else [str(value)]
    if key in LISTS and isinstance(value, list):
        return ",".join(str(item) for item in value)
    # As text, as the command line has it; a flag is no text.
    return value if isinstance(value, bool) else str(value)
