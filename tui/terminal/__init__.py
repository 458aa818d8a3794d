"""The terminal below the screen: its keys, its signals, and what must not be written to it."""
