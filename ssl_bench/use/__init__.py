"""A finished cell's network, put to use."""
