"""Several techniques side by side in one room: a lane each, with what it measures."""
