"""The chat itself: the domain, the interfaces, the hub, the log, the session and the command line.

Nothing is imported here, so that ``import chat.model`` costs nothing and can close no circle.
"""
