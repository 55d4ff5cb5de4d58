"""Search of settings: a grid per method, run as ordinary cells that are scored on held-out labelled images."""
