"""References of methods as BibTeX, and the keys that tables cite them by."""

import re
import string
from collections.abc import Iterable
from itertools import chain, count

from ssl_bench.leaderboard.formats.latex import escape_latex

_PAPER = re.compile(r"(?P<authors>[^:]+): (?P<title>.+)\. In: (?P<venue>.+) \((?P<year>[0-9]{4})\)\.?")
_AUTHOR = re.compile(r"([^,]+), ([^,]+)(?:, |$)")
_OTHERS = re.compile(r",? et al\.?$")
_YEAR = re.compile(r"\b((?:19|20)[0-9]{2})\b")


def cite_keys(references: Iterable[str]) -> dict[str, str]:
    """A key for every reference: first surname and year, `ke2020`; a letter behind it tells apart what would clash."""
    keys: dict[str, str] = {}
    for reference in sorted(set(references)):
        name = re.match(r"[^\W\d_]+", reference, flags=re.ASCII)
        years = _YEAR.findall(reference)
        key = f"{name[0].lower() if name else 'reference'}{years[-1] if years else ''}"
        letters = chain(("", *string.ascii_lowercase[1:]), map(str, count(1)))
        keys[reference] = next(found for each in letters if (found := f"{key}{each}") not in keys.values())
    return keys


def render_bibliography(references: Iterable[str]) -> str:
    """A BibTeX file. What is not of the form `Authors: Title. In: Venue (Year)` is one title, as it is given."""
    return "\n".join(_entry(reference, key) for reference, key in cite_keys(references).items())


def _entry(reference: str, key: str) -> str:
    found = _PAPER.fullmatch(reference)
    if found is None:
        return _written("misc", key, {"title": reference})
    fields = {"author": _authors(found["authors"]), "title": found["title"]}
    return _written("inproceedings", key, {**fields, "booktitle": found["venue"], "year": found["year"]})


def _authors(text: str) -> str:
    """`Surname, Given and ...`; as they are given where some are of another form."""
    named, others = _OTHERS.subn("", text)
    people = [f"{surname}, {given}" for surname, given in _AUTHOR.findall(named)]
    whole = " and ".join(people) if ", ".join(people) == named else named
    return f"{whole} and others" if others else whole


def _written(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{escape_latex(text)}}},\n" for name, text in fields.items() if name != "title"]
    # Twice in braces: styles would make its capitals small.
    title = f"  title = {{{{{escape_latex(fields['title'])}}}}},\n"
    return f"@{kind}{{{key},\n{title}{''.join(lines)}}}\n"
