"""What the site says that is read off the code: commands, hooks, interfaces, methods and their settings."""
