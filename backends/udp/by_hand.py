"""A message as the command that would send it: Python with a socket, because of the cookie."""

from __future__ import annotations

from chat.transport.by_hand import NICK, python

PROGRAM = """
import json, socket

family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
server = socket.socket(family, socket.SOCK_DGRAM)
server.connect(address)
server.settimeout(5)  # the datagram or its answer may be lost


def tell(**message):
    server.send(json.dumps(message).encode())


def wait(kind):
    while True:
        message = json.loads(server.recv(65535))
        for event in message.get("events", [message]):
            if event["kind"] in (kind, "error", "end"):
                print(event)
                return event


hello = {"kind": "hello", "nick": nick, "room": room, "pad": "x" * 200}
tell(**hello)
tell(**hello, cookie=wait("cookie")["cookie"])
wait("welcome")
tell(kind="say", n=1, text=text)
wait("sent")
tell(kind="leave")
"""


def command(host: str, port: int, room: str, text: str) -> str:
    """Return the command for a POSIX shell that says a text in a room."""
    return python(PROGRAM, host=host, port=port, nick=NICK, room=room, text=text)
