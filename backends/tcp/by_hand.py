"""A message as the command that would send it: nc, and three lines of JSON."""

from __future__ import annotations

import shlex

from chat.transport.by_hand import NICK, json_text, printed


def command(host: str, port: int, room: str, text: str) -> str:
    """Return the command for a POSIX shell that says a text in a room."""
    lines = printed(
        json_text(kind="hello", nick=NICK, room=room, replay=0),
        json_text(kind="say", text=text),
        json_text(kind="leave"),
    )
    return f"{lines} | nc {shlex.quote(host)} {port}"
