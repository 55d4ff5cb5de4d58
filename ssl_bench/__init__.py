"""ssl-bench: a plugin-based benchmark for pixel-wise semi-supervised learning."""

__version__ = "0.1.0"
