"""What data sets are called in tables: names by fingerprint, in a file beside the records.

A record knows its data by layout and content alone: pictures in the folders of a well-known set need not be that set.

    # data.toml
    [titles]
    "9ab08b9d5107c371" = "My street scenes"
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from ssl_bench.errors import DataError, UsageError
from ssl_bench.machine.files import MOST_JSON, read_regular, toml, write_text
from ssl_bench.store.record import DataWords, Record

FILE = "data.toml"
SHORTEST = 12
"""Characters of a fingerprint that may stand for the whole; tables show 16."""


def read_titles(folder: Path) -> dict[str, str]:
    """Beginning of a fingerprint of data to its title, from `data.toml` in a folder; empty where there is none.

    Raises UsageError where the file does not hold a table `titles` of texts.
    """
    path = folder / FILE
    try:
        content = tomllib.loads(read_regular(path, MOST_JSON).decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    titles = content.pop("titles", None)
    sound = isinstance(titles, dict) and all(isinstance(title, str) and title for title in titles.values())
    if content or not sound:
        raise UsageError(f'{path}: write one table, [titles], with lines such as "FINGERPRINT" = "title"')
    if short := [start for start in titles if len(start) < SHORTEST]:
        raise UsageError(
            f"{path}: '{short[0]}' is no fingerprint; give its first {SHORTEST} characters or more"
        )
    return dict(titles)


def join_titles(folders: Iterable[Path]) -> dict[str, str]:
    """The titles of several folders. DataError where one fingerprint has two."""
    joined: dict[str, tuple[str, Path]] = {}
    for folder in folders:
        for start, title in read_titles(folder).items():
            for other, (known, place) in joined.items():
                if title != known and (start.startswith(other) or other.startswith(start)):
                    raise DataError(
                        f"data {start} is '{known}' in {place / FILE} and '{title}' in {folder / FILE}; nothing was "
                        "written: give it one title"
                    )
            joined.setdefault(start, (title, folder))
    return {start: title for start, (title, _) in joined.items()}


def write_titles(folder: Path, titles: Mapping[str, str]) -> None:
    """Write `data.toml` into a folder, unless it says the same already."""
    if titles and titles != read_titles(folder):
        lines = (f"{toml(start)} = {toml(title)}\n" for start, title in titles.items())
        write_text(folder / FILE, "[titles]\n" + "".join(lines))


def with_title(record: Record, titles: Mapping[str, str]) -> Record:
    """The record, its data called as `titles` has it."""
    title = next((title for start, title in titles.items() if record.cell.data.startswith(start)), None)
    if title is None:
        return record
    return record.replaced(describe=record.describe.replaced(data=DataWords(title=title)))
