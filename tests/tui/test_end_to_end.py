"""The screen over the real thing: a hub, a server and a client of every technique."""

from __future__ import annotations

import asyncio

from chat.client.connect import Detour
from chat.client.session import Session
from chat.domain.model import Hello
from chat.interfaces.client import ChatClient
from chat.interfaces.technique import Technique
from tests.support.desk import line_with, text, until, write
from tests.support.kit import QUICK, Connect, Serving
from tests.support.people import Person
from tui.app import ChatApp
from tui.opening import Choice


async def test_two_people_see_each_other(technique: Technique, server: Serving, connect: Connect) -> None:
    bob = Person(*await connect("bob"))
    bob.listen()
    await bob.say("is anybody there?")

    async def dial() -> ChatClient:
        return technique.load_client()(server.address, QUICK)

    def open_session(choice: Choice, detour: Detour | None) -> Session:
        return Session(dial, Hello(choice.room, choice.nick or "", choice.cursor))

    app = await asyncio.to_thread(ChatApp, open_session, Choice(technique.name, "lab", "ann"))
    async with app.run_test() as pilot:
        await until(pilot, lambda: "is anybody there?" in text(pilot))
        await write(pilot, "I am")
        await until(pilot, lambda: "ms" in line_with(pilot, "I am"))
        history = await bob.client.history(after=0, limit=10)
        assert [event.text for event in history if event.kind == "sent"] == ["is anybody there?", "I am"]
        await app.action_quit()
    await bob.stop()
