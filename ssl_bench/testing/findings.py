"""A check is a title and a function; a finding is a sentence that says what is wrong and the likely cause."""

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from ssl_bench.errors import SslBenchError, first_line, in_a_line

Check = tuple[str, Callable[[], str | None]]
"""What is promised, in words, and a function that returns a sentence where the promise is broken."""


class NotChecked(Exception):
    """Raised by a check that cannot tell, with the reason: the promise is found neither kept nor broken."""


@dataclass(frozen=True)
class Outcome:
    """What became of a subject's checks."""

    findings: list[str]
    """A sentence per broken promise, none where all is well."""
    unchecked: list[str]
    """A sentence per promise that could not be checked."""


@dataclass(frozen=True)
class Subject:
    """One thing that is checked, such as a method on one kind of task."""

    title: str
    checks: Callable[[], Iterable[Check]]
    skipped: str = ""
    """Why it is not checked."""
    files: tuple[Path, ...] = field(default=(), compare=False)
    """Its author's files, among which faults are placed."""

    def findings(self) -> list[str]:
        """A sentence per broken promise, none where all is well."""
        return self.outcome().findings

    def outcome(self) -> Outcome:
        """Run all checks, and say what became of them."""
        found: list[str] = []
        unchecked: list[str] = []
        title = "it can be made"
        try:
            for title, check in [] if self.skipped else self.checks():
                try:
                    sentence = check()
                except NotChecked as reason:
                    unchecked.append(f"not checked: {title}: {reason}")
                    continue
                if sentence:
                    found.append(f"{title}: {sentence}")
        except (Exception, SystemExit) as error:
            # What comes after would fail for the same reason.
            found.append(f"{title}: {said(error, self.files)}")
        return Outcome(found, unchecked)


def said(error: BaseException, files: Iterable[Path] = ()) -> str:
    """An exception in one line, with its place in the files, where it came through one."""
    if isinstance(error, ValidationError):
        return in_a_line(error)
    message = first_line(error)
    if isinstance(error, SslBenchError):
        return message
    frames = traceback.extract_tb(error.__traceback__)
    # A module that was named by a path from here is placed by that path.
    names = {path.resolve() for path in files}
    own = [frame for frame in frames if Path(frame.filename).resolve() in names]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {message}{place}"
