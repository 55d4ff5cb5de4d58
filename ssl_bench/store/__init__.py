"""What cells leave behind, and who works on them: one folder each."""
