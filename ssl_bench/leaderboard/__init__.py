"""Records to tables: pure functions, byte for byte the same whatever the order the records come in."""

from ssl_bench.leaderboard.documents import hyperparameter_table, main_table, render
from ssl_bench.leaderboard.terminal import terminal

__all__ = ["hyperparameter_table", "main_table", "render", "terminal"]
