"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from ssl_bench.cli.plugins import plugin_option
from ssl_bench.cli.suite import load_suite, of_these_tasks
from ssl_bench.cli.values import Place, Seconds, seeds_of
from ssl_bench.machine.devices import check_devices

Function = TypeVar("Function", bound=Callable[..., Any])


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
        "--test",
        multiple=True,
        metavar="[TASK=]COUNT",
        help="Labelled images to hold out, of data without test images of its own.  [default: a fifth]",
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
    from ssl_bench.machine.devices import precision_for
    from ssl_bench.plan.plan import Request
    from ssl_bench.recipe import Execution

    options = {**options, **of_these_tasks(options)}
    return Request(
        tasks=options["tasks"],
        methods=options["methods"],
        backbones=options["backbones"],
        control=options.get("control", False),  # A search leaves it out.
        labels=options["labels"],
        split_seeds=seeds_of("--split-seeds", options["split_seeds"]),
        seeds=seeds_of("--seeds", options["seeds"]),
        tier=options["tier"],
        data=options["data"],
        dataset=options["dataset"],
        unlabeled=options["unlabeled"],
        test=options["test"],
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
