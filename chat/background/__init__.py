"""Processes of this user that other processes find: the background server, a private broker."""
