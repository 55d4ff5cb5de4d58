"""What is made of records, from their contents as they are written."""

from collections.abc import Iterable, Mapping
from typing import Any

from ssl_bench import leaderboard, report
from ssl_bench.leaderboard.reading import board, entries
from ssl_bench.store.record import Record

Content = Mapping[str, Any] | Record


def recorded(contents: Iterable[Content]) -> list[Record]:
    return [content if isinstance(content, Record) else Record.of(content) for content in contents]


def render(contents: Iterable[Content], *arguments: Any, **more: Any) -> dict[str, str]:
    return leaderboard.render(recorded(contents), *arguments, **more)


def terminal(contents: Iterable[Content], *arguments: Any) -> str:
    return leaderboard.terminal(recorded(contents), *arguments)


def main_table(contents: Iterable[Content]) -> str:
    return leaderboard.main_table(recorded(contents))


def hyperparameter_table(contents: Iterable[Content]) -> str:
    return leaderboard.hyperparameter_table(recorded(contents))


def check_one_table(contents: Iterable[Content], *arguments: Any) -> None:
    leaderboard.check_one_table(recorded(contents), *arguments)


def chosen(contents: Iterable[Content], **asked: Any) -> list[Record]:
    return leaderboard.Choice(**asked).of(recorded(contents))


def read_entries(contents: Iterable[Content]) -> tuple[list[entries.Entry], int]:
    return entries.read_entries(recorded(contents))


def read_board(contents: Iterable[Content]) -> board.Board:
    return board.read_board(recorded(contents))


def make_report(linked: Iterable[tuple[str, Content]], **more: Any) -> str:
    links, contents = zip(*linked, strict=True) if (linked := list(linked)) else ((), ())
    return report.make_report(zip(links, recorded(contents), strict=True), **more)
