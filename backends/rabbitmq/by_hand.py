"""A message as the command that would send it: Python with pika."""

from __future__ import annotations

from chat.transport.by_hand import NICK, in_url, python

PROGRAM = """
import json, os, secrets, time
import pika  # pip install pika

# The URL with the password of the broker stands in the environment.
broker = pika.BlockingConnection(pika.URLParameters(os.environ.get("CHAT_AMQP_URL", url)))
channel, seat = broker.channel(), secrets.token_hex(12)
channel.confirm_delivery()
channel.queue_declare(f"chat.node.{seat}", exclusive=True, auto_delete=True)  # presence


def publish(kind, **fields):
    entry = {"at": int(time.time() * 1000), "kind": kind, "seat": seat, "author": nick}
    entry |= {"technique": "pika", **fields}
    channel.basic_publish(f"chat.room.{room}", "", json.dumps(entry).encode())


publish("joined", node=seat)
publish("sent", n=1, text=text)
publish("left", node=seat)
broker.close()
"""


def command(host: str, port: int, room: str, text: str) -> str:
    """Return the command for a POSIX shell that says a text in a room that is open."""
    url = f"amqp://guest:guest@{in_url(host)}:{port}/%2F"
    return python(PROGRAM, url=url, nick=NICK, room=room, text=text)
