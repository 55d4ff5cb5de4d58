"""What `python -m benchmarks faults` is made of."""
