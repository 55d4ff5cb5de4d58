"""Scores of the four tasks, one whole image at a time; all in float64, void pixels left out."""
