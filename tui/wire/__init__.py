"""The inspector: what passes on the wire, from what was said down to the bytes."""
