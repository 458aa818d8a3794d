"""What goes wrong on purpose, on the wire: one fault a file, for techniques that can suffer it."""
