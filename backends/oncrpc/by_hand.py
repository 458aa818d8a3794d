"""A message as the command that would send it: the client in C, on what rpcgen makes of the contract."""

from __future__ import annotations

import shlex

from chat.transport.by_hand import NICK, printed

CLIENT = "backends/oncrpc/clients/c"


def command(host: str, port: int, room: str, text: str) -> str:
    """Return the command for a POSIX shell in this repository that says a text in a room.

    Each line that the client reads is a message, so line breaks become spaces.
    """
    line = text.replace("\n", " ")
    said = printed(f"/{line}" if line.startswith("/") else line)
    where = shlex.join([host, str(port), NICK, room])
    return f"make -s -C {CLIENT} && {said} | {CLIENT}/build/chat-client {where}"
