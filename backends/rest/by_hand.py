"""A message as the command that would send it: curl, for a seat, a message and to leave."""

from __future__ import annotations

import shlex

from chat.transport.by_hand import NICK, in_url, json_text


def command(host: str, port: int, room: str, text: str) -> str:
    """Return the command for a POSIX shell that says a text in a room. It needs curl 7.82."""
    url = shlex.quote(f"http://{in_url(host)}:{port}/rooms/{room}")
    return "\n".join(
        (
            f"SEAT=$(curl -s {url}/seats --json {shlex.quote(json_text(nick=NICK))}) &&",
            """KEY=$(printf %s "$SEAT" | sed 's/.*"seat_key":"\\([^"]*\\)".*/\\1/') &&""",
            """ID=$(printf %s "$SEAT" | sed 's/.*"seat":"\\([^"]*\\)".*/\\1/') &&""",
            f'curl -s {url}/messages -H "Seat-Key: $KEY" -H "Idempotency-Key: 1" '
            f"--json {shlex.quote(json_text(text=text))};",
            f'curl -s -X DELETE {url}/seats/"$ID" -H "Seat-Key: $KEY"',
        )
    )
