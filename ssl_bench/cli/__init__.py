"""The command line. One small module per command; none imports torch before it has work for it."""

from __future__ import annotations

from ssl_bench.machine.search_path import SafePath

TYPE_CHECKING = False  # As in `typing`, which is not imported before the path is safe.
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command line: an error a user can mend is one line and an exit status, never a traceback."""
    with SafePath():
        from ssl_bench.cli.start import start

        start()
