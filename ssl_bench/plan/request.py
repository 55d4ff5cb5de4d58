"""What one command asks for, or one call from Python. A new option is one more field here.

Options of `run`, `plan` and `tune` with their help, keys of suites and arguments of `Bench.plan` are made from the
fields of `Request`. A value comes typed, or as the text that stands for it (`ssl_bench.plan.text_forms`), and is read
here, once.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ModelWrapValidatorHandler, ValidationError
from pydantic import model_validator as validator
from pydantic.fields import FieldInfo

from ssl_bench.errors import UsageError, not_taking_part, unknown
from ssl_bench.machine.devices import check_devices, precision_for
from ssl_bench.machine.files import existing
from ssl_bench.machine.lock import PATIENCE
from ssl_bench.plan.text_forms import (
    is_file,
    listed,
    named,
    read_count,
    read_labels,
    read_path,
    read_paths,
    read_seeds,
    read_shift,
    read_value,
    split_outside,
)
from ssl_bench.recipe import Execution, Precision, Settings, Tier
from ssl_bench.words import names_in

if TYPE_CHECKING:
    from ssl_bench.registry.registry import Registry
    from ssl_bench.specs import TaskSpec

Function = TypeVar("Function", bound=Callable[..., Any])

COMPARED, DATA, SEARCH, TRAINED, COMPUTED, SURVIVED = SECTIONS = (
    "What is compared",
    "On which data",
    "The search",
    "How networks are trained",
    "How it is computed",
    "Cells, and what they survive",
)
"""Titles of options, in the order of help."""
LONGEST = 1e9
"""Seconds that can be waited for: some thirty years."""
DOTTED = r"[^.]+\..+"


def asked(section: str, default: Any, description: str, *, also: str = "", **more: Any) -> Any:
    """A field that is an option below a title of help.

    `also`: what stands for the default in help, where that is no value. Of `more`, `option` is the option's name where
    it is not the field's, or has a second one, `metavar` what help calls its value; the rest is pydantic's.
    """
    marks = {
        "section": section,
        "also": also,
        "option": more.pop("option", ""),
        "metavar": more.pop("metavar", None),
    }
    return Field(default, description=description, json_schema_extra=marks, **more)


def marks_of(info: FieldInfo) -> Mapping[str, Any]:
    """What `asked` has noted of a field; empty for one that is no option."""
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


Names = Annotated[tuple[str, ...], BeforeValidator(listed(names_in))]
Entries = Annotated[tuple[str, ...], BeforeValidator(listed(split_outside))]
Seeds = Annotated[tuple[int, ...], BeforeValidator(read_seeds)]
GivenPath = Annotated[Path, BeforeValidator(read_path)]
SETTING = "write METHOD.FIELD=VALUE, TASK.FIELD=VALUE or TASK.METHOD.FIELD=VALUE"
SETTINGS = named(SETTING, lambda value: value, names=DOTTED, text=read_value, again=True)
TRIALS = named("write [TASK.]METHOD=COUNT, with a count of 1 or more", read_count, again=True)
LABELS = named(
    "give a fraction (1/8), a count (100), 'all' or a list file",
    read_labels,
    names=".*",
    whole=is_file,
    joined=True,
)
FOLDERS = named("write TASK=FOLDER", read_paths, names=".*", whole=existing, joined=True)
SHIFTS = named(
    "write WAY:SHARE, with a share above 0 and up to 1, such as camera:0.5", read_shift, names=".*"
)
COUNTS = named("give a whole number of images", partial(read_count, least=0), names=".*")


class Request(Settings):
    """What is to be compared, on which data, trained and computed how. UsageError for what can be no value.

    Mappings by task hold under an empty name what is given for every task; a task's own goes before it.
    """

    tasks: Names = asked(COMPARED, ("all",), "all, or a list such as a,b")
    methods: Entries = asked(
        COMPARED,
        ("all",),
        "all, or a list such as a,b. With settings, or a tier whose settings it takes, one is a row of its own: "
        "'a,a:x=0;y=1,a:paper'.",
        metavar="NAME[:FIELD=VALUE;...]",
    )
    control: bool = asked(
        COMPARED,
        True,
        "Also run the control of methods that learn from unlabelled images, which learns nothing from them.",
    )
    backbones: Names = asked(
        COMPARED, (), "A list; `ssl-bench list backbones` shows them.", also="each task's own for the tier"
    )
    tier: Tier = asked(COMPARED, "smoke", "Training budget: does it run, does it help, or as published.")
    seeds: Seeds = asked(COMPARED, (0,), "Training seeds, such as 0,1,2 or 0-4; 3 is one, the seed 3.")
    trials: Annotated[Mapping[str, int], BeforeValidator(TRIALS)] = asked(
        COMPARED,
        {},
        "How many settings were tried to find a method's, for the record; `tune` writes it into its suites; "
        "repeatable.",
        metavar="[TASK.]METHOD=COUNT",
    )
    data: Annotated[Mapping[str, Path], BeforeValidator(named("write TASK=PATH", read_path))] = asked(
        DATA,
        {},
        "A folder with a task's images; repeatable.",
        also="the task's embedded set",
        metavar="TASK=PATH",
    )
    dataset: Annotated[Mapping[str, str], BeforeValidator(named("write TASK=NAME", str))] = asked(
        DATA,
        {},
        "The layout of that folder, or another data set of the task; repeatable.",
        metavar="TASK=NAME",
    )
    labels: Annotated[Mapping[str, tuple[str, ...]], BeforeValidator(LABELS)] = asked(
        DATA,
        {},
        "Fraction (1/8), count (100), all, or a list file; several by commas; repeatable.",
        also="the task's own for the tier",
        metavar="[TASK=]VALUE",
    )
    split_seeds: Seeds = asked(DATA, (0,), "Draw which images are labelled, such as 0,1,2 or 0-4.")
    unlabeled: Annotated[Mapping[str, tuple[Path, ...]], BeforeValidator(FOLDERS)] = asked(
        DATA, {}, "A folder of further images without targets; repeatable.", metavar="[TASK=]FOLDER"
    )
    shift: Annotated[Mapping[str, str], BeforeValidator(SHIFTS)] = asked(
        DATA,
        {},
        "A share of the unlabelled images that is from elsewhere, as embedded data can make it, such as camera:0.5.",
        metavar="[TASK=]WAY:SHARE",
    )
    test: Annotated[Mapping[str, int], BeforeValidator(COUNTS)] = asked(
        DATA,
        {},
        "Labelled images to hold out, of data without test images of its own; 0: none, and nothing is scored.",
        also="a fifth",
        metavar="[TASK=]COUNT",
    )
    settings: Annotated[Mapping[str, Any], BeforeValidator(SETTINGS)] = asked(
        TRAINED,
        {},
        "A setting of a method, or of a task's recipe; repeatable.",
        option="set",
        metavar="NAME.FIELD=VALUE",
    )
    pretrained: bool | None = asked(
        TRAINED, None, "Start encoders from pretrained weights.", also="where a network takes them"
    )
    weights: GivenPath | None = asked(
        TRAINED,
        None,
        "Pretrained weights from a file (.safetensors, .pth) in place of the published ones.",
        metavar="FILE",
    )
    observe: bool = asked(
        TRAINED,
        False,
        "Hold what methods teach against the labels of unlabelled images; nobody learns from these.",
    )
    devices: Annotated[str, AfterValidator(check_devices)] = asked(
        COMPUTED, "auto", "auto, cpu, cuda or cuda:0,1"
    )
    threads: int = asked(COMPUTED, 1, "CPU threads of each process; part of what a cell is.", ge=1)
    precision: Literal["auto"] | Precision = asked(
        COMPUTED, "auto", "Of the networks; auto: bf16 on a GPU, fp32 on a CPU."
    )
    channels_last: bool = asked(COMPUTED, False, "Keep images and weights as (N, H, W, C).")
    compile: bool = asked(COMPUTED, False, "Compile networks by torch.compile, where it can.")
    micro_batches: int = asked(COMPUTED, 1, "Parts that a batch is taken in, to save memory.", ge=1)
    gpus_per_cell: int = asked(
        COMPUTED,
        1,
        "GPUs that share each batch, a process for each; on a CPU as many processes, with --threads each.",
        ge=1,
    )
    checkpoint_seconds: float = asked(
        SURVIVED, 15.0, "Longest stretch of a cell that a kill may cost.", ge=0, le=LONGEST, metavar="SECONDS"
    )
    checkpoint_steps: int | None = asked(
        SURVIVED, None, "The same in steps, where that comes first.", also="by time alone", ge=1
    )
    hang_seconds: float = asked(
        SURVIVED,
        PATIENCE,
        "A cell that shows no sign of life for so long is ended.",
        ge=1,
        le=LONGEST,
        metavar="SECONDS",
    )
    trackers: Names = asked(SURVIVED, (), "A list; `ssl-bench list trackers` shows them.")

    of_suite: Mapping[str, frozenset[str]] = {}
    """Field to those of its entries that a suite gives, of whose tasks and methods the command may leave some out."""
    held_out: str = ""
    """Share of the labelled images to score on, in the test set's place; empty: none."""
    points: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]] = {}
    """Task and method to the settings that a search tries, each over `settings`."""

    @validator(mode="wrap")
    @classmethod
    def _faults_are_told_in_a_line(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(given)
        except ValidationError as error:
            fault = error.errors()[0]
            name, *_ = map(str, fault["loc"])
            if fault["type"] == "extra_forbidden":
                raise unknown("option", name, option_fields(cls)) from None
            message = fault["msg"].removeprefix("Value error, ")
            if fault["type"] != "value_error":
                message = f"{fault['input']}: {message[0].lower()}{message[1:]}"
            raise UsageError(f"{option_name(name, cls.model_fields[name])} {message}") from None

    @property
    def execution(self) -> Execution:
        """How every cell is computed."""
        return Execution(
            precision=precision_for(self.precision, self.devices),
            channels_last=self.channels_last,
            compile=self.compile,
            micro_batches=self.micro_batches,
            processes=self.gpus_per_cell,
        )

    def by_task(self, field: str, registry: "Registry", tasks: Sequence["TaskSpec"]) -> dict[str, Any]:
        """What one of the mappings by task gives for each of some tasks; a task that it gives nothing for is left out.

        UsageError for a task that is unknown, named twice, or not among them, unless a suite names it.
        """
        given, option = getattr(self, field), option_name(field, type(self).model_fields[field])
        found = {task.name: given[""] for task in tasks if "" in given}
        named: set[str] = set()
        for name, value in given.items():
            task = registry.task(name).name if name else ""
            if task in named:
                raise UsageError(f"{option} is given twice for {task}")
            named.add(task)
            if task in {each.name for each in tasks}:
                found[task] = value
            elif task and name not in self.of_suite.get(field, ()):
                raise not_taking_part(f"{option} {name}=...", f"task '{task}'")
        return found


class Running(Settings):
    """How the cells of a request run: options of `run` and `tune` that no cell knows of."""

    out: GivenPath = asked(SURVIVED, Path("runs"), "Results folder.", option="out --runs")
    jobs: int | None = asked(SURVIVED, None, "Cells at a time.", also="as many as the devices carry", ge=1)
    executor: str = asked(SURVIVED, "local", "Who runs the cells; `ssl-bench list executors` shows them.")
    resume: bool = asked(SURVIVED, True, "Keep finished cells, go on from checkpoints.")
    retries: int = asked(
        SURVIVED,
        2,
        "Further attempts at a cell that was killed, lost or hung; its own errors are final.",
        ge=0,
    )


def option_fields(model: type[Settings]) -> dict[str, FieldInfo]:
    """The fields of a request that are options, those that the model adds or gives another default last."""
    fields = sorted(model.model_fields.items(), key=lambda field: field[0] in model.__annotations__)
    return {name: info for name, info in fields if "section" in marks_of(info)}


def option_name(name: str, info: FieldInfo) -> str:
    """The option that a field is: `--split-seeds`."""
    return f"--{marks_of(info).get('option') or name}".split()[0].replace("_", "-")


def taking(model: type[Settings]) -> Callable[[Function], Function]:
    """A decorator for a method whose arguments are the options of a model: its signature and docstring tell them."""

    def add(method: Function) -> Function:
        fields = option_fields(model)
        keyword = partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)
        own = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        own += [
            keyword(name, default=info.default, annotation=info.annotation) for name, info in fields.items()
        ]
        lines = [f"    {name}: {info.description}" for name, info in fields.items()]
        method.__dict__["__signature__"] = inspect.signature(method).replace(parameters=own)
        method.__doc__ = "\n".join([inspect.cleandoc(method.__doc__ or ""), "", "Arguments:", *lines])
        return method

    return add
