"""Records to tables: pure functions, byte for byte the same whatever the order the records come in."""

from ssl_bench.leaderboard.documents.main import DOCUMENTS, hyperparameter_table, main_table
from ssl_bench.leaderboard.files import FORMATS, OF_TABLES, Format, check_one_table, render
from ssl_bench.leaderboard.reading.choice import EVERYTHING, Choice
from ssl_bench.leaderboard.terminal import terminal

__all__ = [
    "DOCUMENTS",
    "EVERYTHING",
    "FORMATS",
    "OF_TABLES",
    "Choice",
    "Format",
    "check_one_table",
    "hyperparameter_table",
    "main_table",
    "render",
    "terminal",
]
