"""A message as the command that would send it: Python with stock RPyC."""

from __future__ import annotations

from chat.transport.by_hand import NICK, python

PROGRAM = """
import rpyc  # pip install rpyc==6.0.2

chat = rpyc.connect(host, port).root
chat.login(nick, room, lambda kind, **more: None)  # the server calls this for each event
print(chat.send(text))
chat.leave()
"""


def command(host: str, port: int, room: str, text: str) -> str:
    """Return the command for a POSIX shell that says a text in a room."""
    return python(PROGRAM, host=host, port=port, nick=NICK, room=room, text=text)
