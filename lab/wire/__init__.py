"""The wire made visible: a tap between client and server, what it captured, and the frames in it."""
