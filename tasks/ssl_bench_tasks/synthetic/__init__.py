"""Data made in memory, one set per task: no download, the same bytes in every process, and far from solved."""
