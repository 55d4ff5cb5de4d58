"""`ssl-bench data ...`: one small module per command."""
