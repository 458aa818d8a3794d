"""The chat that a good RPyC tutorial shows: a `ThreadedServer`, a thread a client, callbacks by `async_`.

It is a yardstick, and the stock server that the hostile tests break: no log, no rules, the library's default
settings. Run it with ``python -m lab.bench.textbook_rpyc PORT``.
"""

import sys
from collections.abc import Callable
from typing import Any

import rpyc
from rpyc.utils.server import ThreadedServer

people: dict[str, Callable[..., Any]] = {}
"""The callbacks by nick. The wrapper is kept here, because RPyC holds only a weak reference to it."""


class ChatService(rpyc.Service):  # type: ignore[misc]
    """One instance for each connection."""

    nick: str | None = None

    def on_disconnect(self, conn: object) -> None:
        if self.nick is not None:
            people.pop(self.nick, None)

    def exposed_login(self, nick: str, callback: Callable[..., Any]) -> None:
        if not isinstance(nick, str) or nick in people:
            raise ValueError("the nick is taken, or no nick")
        people[nick] = rpyc.async_(callback)
        self.nick = nick

    def exposed_send(self, text: str) -> None:
        if not isinstance(text, str) or self.nick is None:
            raise ValueError("log in, and send a str")
        for callback in list(people.values()):
            callback(self.nick, text)


if __name__ == "__main__":
    ThreadedServer(ChatService, hostname="127.0.0.1", port=int(sys.argv[1])).start()
