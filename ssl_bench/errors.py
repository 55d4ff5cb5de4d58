"""The one family of errors that a user can cause and mend.

Each message is one line: what is wrong, where, and what to do. The command line prints it without a
traceback and exits with `exit_status`; anything outside the family is a bug of ours.
"""

import difflib
import re
from collections.abc import Iterable


class SslBenchError(Exception):
    """Something a user can mend. `exit_status` is the command's exit status."""

    exit_status = 1


class UsageError(SslBenchError):
    """The command, its options or its suite file ask for something impossible."""

    exit_status = 2


class DataError(SslBenchError):
    """A data set or one of its files cannot be used as it is."""

    exit_status = 2


class PluginError(SslBenchError):
    """A plugin breaks the rules of the house: a name taken twice, a misspelt hook, a wrong type."""

    exit_status = 2


class CellError(SslBenchError):
    """One cell cannot go on: a loss that is not finite, a record that cannot be written."""


class Diverged(CellError):
    """A loss or a prediction is not finite: the same would happen again."""


MOST_NAMED = 40
"""Of what there is, in an error."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest known name, else the list of what there is."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    # A user may give only the last part of a dotted name.
    near = near or [other for other in names if other.rsplit(".", 1)[-1] == name][:1]
    if near:
        return f"did you mean '{near[0]}'?"
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"known: {', '.join(names[:MOST_NAMED])}{more}" if names else "there are none"


def unknown(kind: str, name: str, known: Iterable[str], meant: str = "") -> UsageError:
    """The error for a name that nothing answers to; `meant`: what to look for in its place."""
    return UsageError(f"unknown {kind} '{name}'; {suggestion(meant or name, known)}")


def not_taking_part(where: str, what: str) -> UsageError:
    """The error for an option that is about a task or a method which the command leaves out."""
    return UsageError(f"{where}: {what} is not part of this command; add it or leave this out")


def first_line(error: BaseException) -> str:
    """The first line of what an error says; empty where it says nothing."""
    return str(error).strip().partition("\n")[0]


def in_a_line(error: BaseException) -> str:
    """`Kind: the first line of what it says`; of a setting that does not pass its checks, which and why."""
    faults = getattr(error, "errors", None)
    if callable(faults) and (found := faults()):
        return f"{'.'.join(map(str, found[0]['loc']))[:80]}: {found[0]['msg']}"
    return f"{type(error).__name__}: {first_line(error)}"


def without_places(text: str) -> str:
    """A text with the names of files in place of their paths, for what is published."""
    return re.sub(r"(?<![\w.])~?(?:/[^\s/:'\"]+)+/([^\s/:'\"]+)", r"\1", text)
