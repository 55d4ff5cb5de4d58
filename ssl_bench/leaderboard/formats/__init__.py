"""Documents as text in one format each."""
