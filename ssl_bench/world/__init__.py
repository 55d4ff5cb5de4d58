"""One step shared by parts of a batch and by processes: who has which rows, and what they tell each other."""
