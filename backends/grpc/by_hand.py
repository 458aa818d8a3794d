"""A message as the command that would send it: buf curl, which asks the server for its types."""

from __future__ import annotations

import shlex

from chat.transport.by_hand import NICK, in_url, json_text, printed


def command(host: str, port: int, room: str, text: str) -> str:
    """Return the command for a POSIX shell that says a text in a room. ``npx`` comes with Node."""
    lines = printed(
        json_text(hello={"room": room, "nick": NICK}), json_text(send={"text": text}), json_text(leave={})
    )
    url = shlex.quote(f"http://{in_url(host)}:{port}/chat.v1.ChatService/Chat")
    return f"{lines} | npx @bufbuild/buf curl --protocol grpc --http2-prior-knowledge -d @- {url}"
