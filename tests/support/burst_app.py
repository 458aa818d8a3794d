"""The screen in a pseudo-terminal of its own, which tells what became of everything that was typed.

``python -m tests.support.burst_app SOCKET``: it reads one JSON object a line from the socket, e.g. arrivals,
and answers F12 with one: what was sent, what is still in the composer, and the hints that were shown.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual import events

from chat.domain.model import Limits
from tests.support.desk import Desk
from tui.app import ChatApp
from tui.opening import Choice
from tui.screens.chat import ChatScreen


class BurstApp(ChatApp):
    """Reports on F12, when everything before it is handled."""

    CSS_PATH = str(Path(inspect.getfile(ChatApp)).with_name("chat.tcss"))

    def __init__(self, desk: Desk, path: str) -> None:
        super().__init__(desk.open_session, Choice("tcp", "lab", desk.nick), now=lambda: desk.time)
        self.desk = desk
        self.path = path
        self.hints: list[str] = []

    async def on_ready(self) -> None:
        await super().on_ready()
        self.run_worker(self.prepare())

    async def prepare(self) -> None:
        self.chat = next(screen for screen in self.screen_stack if isinstance(screen, ChatScreen))
        hint = self.chat.hint

        def noted(text: str, *, failed: bool = False) -> None:
            self.hints.append(text)
            hint(text, failed=failed)

        self.chat.hint = noted  # type: ignore[method-assign]  # to know what was said, also if it was hidden again
        reader, self.writer = await asyncio.open_unix_connection(self.path)
        while line := await reader.readline():
            asked = json.loads(line)
            match asked["do"]:
                case "says":
                    self.desk.says("bob", asked["text"])
                case "joins":
                    self.desk.joins(asked["nick"])
                case "leaves":
                    if asked["nick"] in self.desk.members:
                        self.desk.leaves(asked["nick"])
                case "reset":
                    self.reset()
        self.exit()

    def reset(self) -> None:
        while self.screen is not self.chat:
            self.pop_screen()
        composer = self.chat.composer
        composer._kept.clear()
        composer._lines.clear()
        composer._back = 0
        composer.load("")
        self.chat._pastes.clear()
        self.hints.clear()
        self.chat.clear()  # Up edits the last message that is there
        self.desk.log[:] = [event for event in self.desk.log if event.author != self.desk.nick]

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key) and event.key == "f12":
            self.after(4, self.report)
        else:
            await super().on_event(event)

    def after(self, rounds: int, then: Callable[[], Any]) -> None:
        """Call this when every queue has handled what is in it now, and what came of that."""
        if not rounds:
            then()
            return
        composer, chat = self.chat.composer, self.chat
        again = lambda: self.after(rounds - 1, then)  # noqa: E731 - a chain is read best in one piece
        top = self.screen
        top.call_later(lambda: composer.call_later(lambda: chat.call_later(lambda: self.call_later(again))))

    def report(self) -> None:
        if self.chat.session.pending:  # on its way: neither in the composer nor in the room
            self.after(2, self.report)
            return
        said = [
            event.text
            for event in self.desk.log
            if event.author == self.desk.nick and event.kind in ("sent", "edited")
        ]
        held = {
            "said": said,
            "drafts": self.chat.drafts,
            "hints": self.hints,
            "top": type(self.screen).__name__,
        }
        self.writer.write(json.dumps(held).encode() + b"\n")


if __name__ == "__main__":
    desk = Desk(limits=Limits(rate=100_000.0))
    desk.joins("bob")
    BurstApp(desk, sys.argv[1]).run()
