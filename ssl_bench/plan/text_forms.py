"""Texts that stand for lists, ranges and mappings, on a command line or in a suite; Python gives these as they are.

Every reader takes either form for a field of a request, and raises ValueError, beginning with the entry at fault.
"""

import operator
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, SupportsIndex

from ssl_bench.machine.files import existing, place
from ssl_bench.recipe import flat
from ssl_bench.words import names_in

MOST_SEEDS = 10_000
"""Of a range: a slip must not fill the memory."""
SEED_DIGITS = 18
"""So that every seed fits in 63 bits."""
MOST_IMAGES = 10**9
SEEDS = "give integers of 0 or more, such as 0,1,2 or 0-4"
_CLOSING = {"[": "]", "{": "}"}


def listed(split: Callable[[str], list[str]]) -> Callable[[Any], list[str]]:
    """A reader of lists, as one text or as several."""
    return lambda given: [part for each in _each(given) for part in split(str(each))]


def read_seeds(given: Any) -> list[int]:
    """Seeds and ranges of them, `0,2-4`, each once."""
    found: dict[int, None] = {}
    for each in _each(given):
        if isinstance(each, str):
            found |= dict.fromkeys(_range(each))
            continue
        if isinstance(each, bool) or not isinstance(each, SupportsIndex):
            raise ValueError(f"{each}: {SEEDS}")
        if (seed := operator.index(each)) < 0:
            raise ValueError(f"{each}: give 0 or more")
        found[_seed(str(seed))] = None
    if not found:
        raise ValueError("empty: give 0 or more")
    return list(found)


def _range(text: str) -> Iterator[int]:
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip(), flags=re.ASCII)
        if not found:
            raise ValueError(f"'{text}': {SEEDS}")
        first, last = _seed(found[1]), _seed(found[2] or found[1])
        if last < first:
            raise ValueError(f"'{text}': {SEEDS}")
        if last - first >= MOST_SEEDS:
            raise ValueError(f"'{text}': a range has {MOST_SEEDS} seeds at most")
        yield from range(first, last + 1)


def _seed(digits: str) -> int:
    if len(digits) > SEED_DIGITS:
        raise ValueError(f"'{digits}': a seed has {SEED_DIGITS} digits at most")
    return int(digits)


def named(
    form: str,
    read: Callable[[Any], Any],
    *,
    names: str = ".+",
    text: Callable[[str], Any] = str,
    whole: Callable[[str], object] = lambda entry: False,
    again: bool = False,
    joined: bool = False,
) -> Callable[[Any], dict[str, Any]]:
    """A reader of mappings and of `NAME=VALUE`; the name is empty where a value stands alone.

    `form`: what an error asks for. `read`: of a value, ValueError where it is none. `names`: pattern of the names that
    there may be. `text`: of the value in an entry, before `read`. `whole`: whether an entry is a value, sign and all.
    `again`: the last entry of a name counts, `joined`: all do; else a second one is an error.
    """

    def reader(given: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for entry, name, value in _entries(given, text, whole):
            try:
                if value == "" or not re.fullmatch(names, name):
                    raise ValueError
                content = read(value)
            except ValueError:
                raise ValueError(f"'{entry}': {form}") from None
            if name in found and not (again or joined):
                raise ValueError(f"is given twice for {name}")
            found[name] = [*found.pop(name, []), *content] if joined else content
        return found

    return reader


def _entries(
    given: Any, text: Callable[[str], Any], whole: Callable[[str], object]
) -> Iterator[tuple[str, str, Any]]:
    """Each entry, its name and its value; those of mappings within one another by dotted names."""
    if isinstance(given, Mapping):
        for name, value in flat(given).items():
            yield f"{name}={value}", name, value
        return
    for entry in map(str, _each(given)):
        name, equals, value = entry.partition("=")
        if equals and not whole(entry):
            yield entry, name.strip(), text(value) if value else ""
        else:
            yield entry, "", entry


def _each(given: Any) -> list[Any]:
    alone = isinstance(given, str) or not isinstance(given, Iterable)
    return [given] if alone else list(given)


def read_path(given: str | Path) -> Path:
    """The path that is named; ValueError for an empty name, as of a variable that is not set."""
    if str(given) == "":
        raise ValueError("'': the path is empty")
    return place(str(given))


def read_paths(given: Any) -> list[Path]:
    """One path or several, each as `read_path`."""
    return [read_path(each) for each in _each(given)]


def read_count(given: int | str, least: int = 1) -> int:
    """A number of images or trials, `least` or more."""
    text = str(given)
    if not (text.isascii() and text.isdecimal() and least <= int(text) < MOST_IMAGES):
        raise ValueError
    return int(text)


def read_shift(given: Any) -> str:
    """`WAY:SHARE`, the share above 0 and up to 1, in the one form that a number has."""
    way, _, share = str(given).rpartition(":")
    if (
        not way
        or not re.fullmatch(r"[0-9]{0,3}\.?[0-9]{0,6}", share, flags=re.ASCII)
        or not 0 < float(share) <= 1
    ):
        raise ValueError
    return f"{way}:{float(share):g}"


def read_labels(given: Any) -> list[str]:
    """The values between commas; the whole where it is a file's path."""
    found = []
    for each in map(str, _each(given)):
        parts = [each] if is_file(each) else names_in(each)
        found += [str(place(part)) if part.startswith("~") else part for part in parts]
    if not found:
        raise ValueError
    return found


def is_file(text: str) -> bool:
    """Whether there is a file of that name."""
    path = existing(text)
    return path is not None and path.is_file()


def read_value(text: str) -> Any:
    """A value as TOML has it, or else the text itself."""
    text = text.strip()
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def read_values(text: str) -> list[Any]:
    """Values between commas, each as `read_value` has it; a TOML list is one, too."""
    text = text.strip()
    try:
        values = list(tomllib.loads(f"value = [{text}]")["value"])
    except tomllib.TOMLDecodeError:
        inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        return [read_value(part) for part in inner.split(",")]
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


def split_outside(text: str, sign: str = ",") -> list[str]:
    """The parts between a sign where it stands outside quotes, brackets and braces, stripped; empty ones left out."""
    parts, start, waiting = [], 0, ""
    for place_, letter in enumerate(text):
        if waiting and letter == waiting[-1]:
            waiting = waiting[:-1]
        elif waiting[-1:] in ("'", '"'):
            continue
        elif letter in ("'", '"'):
            waiting += letter
        elif letter in _CLOSING:
            waiting += _CLOSING[letter]
        elif letter == sign and not waiting:
            parts.append(text[start:place_])
            start = place_ + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]
