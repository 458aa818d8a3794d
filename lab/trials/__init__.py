"""One fault, eight answers: the same trial over every technique, with many seeds."""
