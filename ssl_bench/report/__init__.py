"""One self-contained page of all records: tables, curves, cost, label efficiency, and links to the records."""

from ssl_bench.report.page import make_report

__all__ = ["make_report"]
