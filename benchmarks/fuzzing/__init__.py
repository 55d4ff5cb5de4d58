"""What `python -m benchmarks fuzz` is made of: readers, files they begin from, and ways to change those."""
