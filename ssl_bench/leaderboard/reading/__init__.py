"""Records to rows and scores: all that tables look at, before any table."""
