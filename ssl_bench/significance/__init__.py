"""What scores can tell: paired comparisons, ranks of groups, further seeds, and ranks across tasks."""
