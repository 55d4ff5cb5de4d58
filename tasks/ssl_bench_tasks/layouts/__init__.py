"""Public data sets in the folders they come in, and the user's own pairs: descriptions for one shared reader."""
