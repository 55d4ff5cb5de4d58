"""Public data sets from their own servers."""
