"""What cells leave behind, with a type for each part: the record of a finished one, a failure, a sign of life.

Parts that earlier versions did not write have a default, and what later ones add is kept as it is.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ssl_bench.errors import DataError
from ssl_bench.machine.files import parse_json
from ssl_bench.specs import LAST_POSITION

SCHEMA = 1
Number = int | float
"""Kept as it is written: 5 does not become 5.0."""


class Part(BaseModel):
    """A part of what is written: checked, frozen, and written again as it was read."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    def to_json(self) -> dict[str, Any]:
        """What was read, and no more than that."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def replaced(self, **changes: Any) -> Self:
        """The same but for some fields."""
        return self.model_copy(update=changes)


class Split(Part):
    """Which images were labelled, and by which draw."""

    source: str = ""
    """As it was asked for: a share, a number, `all`, or a list."""
    seed: int | None = None
    hash: str = ""
    labeled: int | None = None
    """How many."""
    unlabeled: int | None = None
    held_out: int = 0
    """Of the labelled ones, for a search to score on; the record's scores are then none of the test set."""


def _a_name(text: str) -> str:
    if not text or text.startswith(".") or "/" in text:
        raise ValueError("it names no cell")
    return text


class Coordinates(Part):
    """Which cell it was (`Cell.coordinates`)."""

    id: Annotated[str, AfterValidator(_a_name)]
    task: str = ""
    dataset: str = ""
    data: str = ""
    """Fingerprint of the data."""
    backbone: str = ""
    method: str = ""
    seed: int | None = None
    tier: str = ""
    threads: int | None = None
    pretrained: str = ""
    trials: int | None = None
    execution: dict[str, Any] = {}
    split: Split = Split()


class Config(Part):
    """All settings of recipe and method."""

    recipe: dict[str, Any] = {}
    method: dict[str, Any] = {}


class MetricWords(Part):
    """A metric, as `ssl_bench.specs.Metric` describes it."""

    name: str = ""
    symbol: str = ""
    unit: str = ""
    higher_is_better: bool = True
    digits: int = 2
    aggregate: Any = None


class TaskWords(Part):
    """What tables print about the task."""

    title: str = ""
    position: Number = LAST_POSITION
    kind: str = ""
    metrics: list[MetricWords] = []


class MethodWords(Part):
    """What tables print about the method."""

    title: str = ""
    position: Number = LAST_POSITION
    role: str = ""
    labels: str = ""
    reference: str | None = ""
    symbols: Any = ()
    """Pairs of a field of the method's config and its LaTeX."""
    variant: list[str] = []
    """What makes a row of its own of it."""


class DataWords(Part):
    """What the data is called."""

    title: str = ""


class Description(Part):
    """What tables print, so that a record can be shown without its plugins."""

    task: TaskWords = TaskWords()
    method: MethodWords = MethodWords()
    data: DataWords = DataWords()


class Cost(Part):
    """What the cell took. None: not measured."""

    seconds: Number | None = None
    seconds_before_first_step: Number | None = None
    seconds_per_step: Number | None = None
    images_per_second: Number | None = None
    images_seen: Number | None = None
    parameters: Number | None = None
    """Of the network that predicts."""
    parameters_trained: Number | None = None
    inference_flops: Number | None = None
    inference_side: Number | None = None
    """Of the square image of those FLOPs, px."""
    peak_memory_bytes: Number | None = None
    """Of tensors on a GPU."""
    peak_resident_bytes: Number | None = None
    """Of the process in the machine's own memory."""
    gpu_energy_joules: Number | None = None


class Provenance(Part):
    """Where the numbers come from. Outside the record's identity, as the cost is."""

    device: str = ""
    method_code: str = ""
    """Hash of the method's code, without comments and docstrings."""
    initial_weights: str = ""
    """Hash of the state that the deployed network started from."""
    packages: dict[str, str] = {}
    """Versions of the libraries that compute."""
    micro_batches: dict[str, Any] = {}
    """What was asked for and used, where memory ran out."""
    weights_sha256: str | None = None
    resumed_at: list[int] = []
    """Steps that the cell was resumed at."""


class Record(Part):
    """The record of a finished cell, as `result.json` holds it."""

    form: int = Field(alias="schema")
    cell: Coordinates
    metrics: dict[str, Any]
    """On the test images after the last iteration."""
    config: Config = Config()
    describe: Description = Description()
    providers: dict[str, str] = {}
    """Distribution and version behind task, data set, backbone and method."""
    beside: dict[str, Any] = {}
    """Scores of the method's further predictions."""
    evaluations: list[Any] = []
    best: dict[str, Any] | None = None
    """The best evaluation; chosen on test data, it never ranks."""
    per_image: dict[str, Any] = {}
    one_value: bool = False
    """Whether the prediction for each test image shows one value everywhere, as of a network that has given up."""
    curves: dict[str, Any] = {}
    observed: list[Any] = []
    """What an observer found on the way, outside the record's identity (`ssl_bench.store.observed`)."""
    cost: Cost = Cost()
    provenance: Provenance = Provenance()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """The record that was read. DataError, saying what is strange, for any other content."""
        form = content.get("schema")
        if form != SCHEMA:
            raise DataError(f"no record of a form that is known here (schema {form!s:.20})")
        try:
            return cls.model_validate(content)
        except (ValidationError, RecursionError) as error:
            where, why = "", "too deep"
            if isinstance(error, ValidationError):
                fault = error.errors()[0]
                where, why = ".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")
            raise DataError(f"no whole record ({where[:80]}: {why})") from error

    def nameless(self) -> Self:
        """The same with test images numbered in the order of their names, and without what the data's folder is called.

        Records of the same test images still pair, image by image.
        """
        ids = self.per_image.get("ids")
        if isinstance(ids, list):
            places = {name: f"{place:06d}" for place, name in enumerate(sorted(map(str, ids)))}
            numbered = {**self.per_image, "ids": [places[str(name)] for name in ids]}
        else:
            numbered = self.per_image
        return self.replaced(per_image=numbered, describe=self.describe.replaced(data=DataWords()))

    @property
    def score(self) -> Any:
        """The metric that ranks; None where there is none."""
        listed = self.describe.task.metrics
        return self.metrics.get(listed[0].name) if listed else None


class Estimate(Part):
    """What a whole cell would take by a few of its steps, as `estimate.json` holds it."""

    cost: Cost = Cost()
    device: str = ""


class Failure(Part):
    """Why a cell ended early, as `failure.json` holds it."""

    message: str = "it left no word"
    worth_retrying: bool = False
    """Whether the machine failed it, and not the cell itself."""
    diverged: bool = False
    """Whether a loss or a prediction was not finite."""


class Progress(Part):
    """A sign of life of a cell at work, as `progress.json` holds it."""

    step: int
    iterations: int
    phase: str = ""
    loss: Number | None = None
    """Of the last step that was read."""
    seconds: Number = 0.0
    """That the cell has taken so far, in all of its processes."""
    steps_per_second: Number | None = None
    device: str = "?"
    pid: int = 0

    @property
    def seconds_left(self) -> float | None:
        """Until its last step, at its present speed; None where that is not known."""
        return (self.iterations - self.step) / self.steps_per_second if self.steps_per_second else None


Kind = TypeVar("Kind", bound=Part)


def sound(kind: type[Kind], content: Mapping[str, Any] | None) -> Kind | None:
    """What was read, as a part of that kind; None where it is none."""
    try:
        return kind.model_validate(content)
    except ValidationError:
        return None


def parse_record(path: Path) -> Record:
    """A whole record of the form we know. DataError, naming the file, for any other; FileNotFoundError for none."""
    try:
        return Record.of(parse_json(path))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{path} is no readable record ({error.strerror or error})") from error
    except DataError as error:
        raise DataError(f"{path} is {error}") from error
    except ValueError as error:
        raise DataError(f"{path} is no whole record ({error})") from error
