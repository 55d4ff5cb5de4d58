"""Charts as SVG, shared by all that draws."""
