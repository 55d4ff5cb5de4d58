"""Small pure functions that methods share."""
