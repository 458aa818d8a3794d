"""Whole screens: the chat, the picker before it, help."""
