"""One cell in its process, from its folder to its record."""
