"""The parent of a run: one loop over cells."""
