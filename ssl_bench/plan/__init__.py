"""From names to cells: everything that is settled, and checked, before any compute."""
