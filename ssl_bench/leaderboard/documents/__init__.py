"""The documents of a leaderboard, and the tables in them."""
