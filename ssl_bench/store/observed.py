"""What an observer found (`ssl_bench.observe`), as a record holds it below `observed`."""

from pydantic import Field

from ssl_bench.store.record import Number, Part, Record, sound

Figure = Number | None


class Seen(Part):
    """One target of a method over the pixels whose label is known. None: there is nothing to measure."""

    pixels: int
    labeled: bool = False
    """Whether it is of labelled rows."""
    kept: Figure = None
    """Share of pixels that a gate lets through; None without a gate."""
    score: Figure = None
    """Of the target: accuracy in per cent, or PSNR in dB."""
    score_kept: Figure = None
    """The same of what is kept: for classes its precision."""
    student: Figure = None
    """Of who is taught, in evaluation, on the same pixels."""
    student_kept: Figure = None
    recall: list[Figure] = Field(default_factory=list)
    """Share of each class's pixels that the target has right."""
    recall_kept: list[Figure] = Field(default_factory=list)
    """Share of them that is right and kept."""
    calibration: Figure = None
    """ECE in [0, 1]."""
    bins: list[list[Figure]] = Field(default_factory=list)
    """Share, confidence and accuracy of each bin."""
    distances: list[list[Figure]] = Field(default_factory=list)
    """Where each band of distances to a boundary begins, px, its share, and the share of it that is wrong."""
    detection: Figure = None
    """Area under the ROC of doubt as a detector of bad targets."""
    correlation: Figure = None
    """Spearman's, of doubt and the true error."""


class Observation(Part):
    """What was seen after a step."""

    step: int
    """Iterations that are done."""
    rows: int
    """Unlabelled crops that were looked at, the same in every observation."""
    deployed: Figure = None
    """Of the deployed network on them, as `Seen.score`."""
    seen: dict[str, Seen] = Field(default_factory=dict)
    """Name of a target to what was found."""


def observations_of(record: Record) -> list[Observation]:
    """Those of a record, in order; whatever is none is left out."""
    found = (sound(Observation, each) for each in record.observed)
    return sorted((each for each in found if each is not None), key=lambda each: each.step)
