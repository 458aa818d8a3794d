"""A client on RPyC, in any version that can join: `conn.root` has the methods, a thread serves callbacks."""
# ruff: noqa: T201

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from queue import Queue
from typing import Any

import rpyc
from rpyc.utils.factory import connect_stream

Event = dict[str, Any]
HOST, PORT, NICK, TOKEN = sys.argv[1:]


def connect() -> Any:
    # Without nodelay a reply and the next call wait for each other, some 40 ms each time.
    return connect_stream(rpyc.SocketStream.connect(HOST, int(PORT), nodelay=True))


def refusal(nick: str, **more: str) -> Any:
    """Return the code with which a login is refused."""
    connection = connect()
    try:
        connection.root.login(nick, "lab", print, **more)
    except Exception as refused:
        return getattr(refused, "code", repr(refused))
    finally:
        connection.close()
    return "nothing"


def until(wanted: Callable[[Event], bool]) -> Event:
    """Return the next event that fulfils a condition."""
    while not wanted(event := events.get()):
        pass
    return event


print("version", version("rpyc"))
print("token", refusal(NICK))
print("refused", refusal("ann", access=TOKEN))

events: Queue[Event] = Queue()
connection = connect()
room = connection.root
listener = threading.Thread(target=connection.serve_all)
listener.start()
welcome = dict(room.login(NICK, "lab", lambda **event: events.put(event), access=TOKEN))
print("members", *sorted(dict(member)["nick"] for member in room.members()))
last: Event = {}
while (event := events.get())["seq"] < welcome["head"]:
    last = event if event["kind"] == "sent" else last
print("reads", last["text"].encode().hex())
page = room.history(before=last["seq"], limit=2)
print("history", *(dict(event)["text"].encode().hex() for event in page))

seq = room.send("ä 漢字\n&<>")
print("waiting", flush=True)
said = until(lambda event: event["kind"] == "sent" and event["author"] == "ann")
print("waits", said["text"].encode().hex())
room.edit(seq, "漢字 ä\n<&>")
room.delete(seq)
room.leave()
listener.join()
