"""The training step, its batches, and evaluation."""
