"""Picture files to the numbers in them, and what these mean. Free of torch."""
