"""The parts of a screen; they report upwards by messages and know no session."""
