"""Does it pay to learn from unlabelled images here? Cross-validation of the labelled ones, in words."""
