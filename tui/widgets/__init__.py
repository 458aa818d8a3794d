"""The parts of the screens. They report to their screen by messages and know no session."""
