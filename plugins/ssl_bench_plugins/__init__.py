"""Built-in methods, backbones, executors and trackers of ssl-bench."""
