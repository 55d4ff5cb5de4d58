"""What cells take, before they are run."""
