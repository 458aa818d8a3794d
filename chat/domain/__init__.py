"""The rules of a chat and its values. No input or output, no clock, no threads."""
