"""The wire stopped on the screen: a real server, a real tap, and somebody else in the room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import backends
from chat.client.connect import Detour
from chat.client.session import Session
from chat.domain.model import Hello
from chat.interfaces.client import ChatClient
from chat.interfaces.technique import Technique
from lab.faults.plan import FaultPlan
from lab.wire.wiretap import Wiretap
from tests.support.desk import Running, text, until, write
from tests.support.kit import QUICK, Connect, Serving
from tests.support.people import Person
from tests.support.tapped import load
from tui.app import ChatApp
from tui.opening import Choice
from tui.wire.inspector import Inspector


@pytest.fixture(params=["tcp", "udp"])
def technique(request: pytest.FixtureRequest) -> Technique:
    label = backends.technique(request.param)
    label.load_client()
    label.load_server()
    load(label)
    return label


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Nothing is polled or pinged while the wire is stopped: only what the test says waits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chat.client.measure.FIRST_PING", 60.0)
        yield


@asynccontextmanager
async def looking(
    technique: Technique, server: Serving, connect: Connect, state: Path
) -> AsyncIterator[tuple[Running, Person, Inspector]]:
    """Ann's screen with the inspector open, and bob, who is told at once."""
    bob = Person(*await connect("bob"))
    bob.listen()
    wiretap = Wiretap(technique, {}, state, interference=FaultPlan(technique.load_decoder()))

    def open_session(choice: Choice, detour: Detour | None) -> Session:
        async def dial() -> ChatClient:
            addresses, _ = await detour([server.address], None) if detour else ([server.address], None)
            return technique.load_client()(addresses[0], QUICK)

        return Session(
            dial, Hello(choice.room, choice.nick or "", choice.cursor), resend=technique.traits.resend
        )

    options: dict[str, Any] = {"make_wiretap": lambda _: wiretap}
    app = await asyncio.to_thread(
        lambda: ChatApp(open_session, Choice(technique.name, "lab", "ann"), **options)
    )
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "bob joined" in text(pilot))
        await write(pilot, "first")
        await bob.hears("first")
        await pilot.press("f2")
        await until(pilot, lambda: wiretap.on and bool(app.query(Inspector)))
        inspector = app.query_one(Inspector)
        await until(pilot, lambda: any(frame.kind == "welcome" for frame in shown(inspector)))
        inspector.focus()
        await pilot.press("s")
        await until(pilot, lambda: "THE WIRE IS STOPPED" in text(pilot))
        yield pilot, bob, inspector
        await app.action_quit()
    await bob.stop()


def shown(inspector: Inspector) -> list[Any]:
    return [row.frame for row in inspector.frames.table.rows]


async def says(pilot: Running, inspector: Inspector, what: str) -> None:
    """Ann writes a line, which waits; the cursor is on its frame."""
    await pilot.press("escape")
    await write(pilot, what)

    def found() -> bool:
        rows = inspector.frames.table.rows
        return any(what in row.frame.texts and row.frame.number in inspector.frames.waiting for row in rows)

    await until(pilot, found)
    inspector.focus()
    rows = inspector.frames.table.rows
    inspector.frames.go(next(index for index, row in enumerate(rows) if what in row.frame.texts))
    await pilot.pause()


async def test_what_waits_is_marked_and_passes_one_by_one(
    technique: Technique, server: Serving, connect: Connect, state_dir: Path
) -> None:
    async with looking(technique, server, connect, state_dir) as (pilot, bob, inspector):
        await says(pilot, inspector, "it waits")
        await until(pilot, lambda: "‖" in text(pilot))
        assert "it waits" not in bob.texts
        while "it waits" not in bob.texts:
            await pilot.press("full_stop")
            await pilot.pause(0.05)
        await pilot.press("s")
        await until(pilot, lambda: "THE WIRE IS STOPPED" not in text(pilot))
        assert not inspector.stopped


async def test_a_deed_is_done_or_refused_with_the_reason(
    technique: Technique, server: Serving, connect: Connect, state_dir: Path
) -> None:
    async with looking(technique, server, connect, state_dir) as (pilot, bob, inspector):
        await says(pilot, inspector, "dropped")
        await pilot.press("d")
        if technique.traits.transport == "udp":
            await until(pilot, lambda: "[by hand: dropped by hand]" in text(pilot))
        else:
            await until(pilot, lambda: "a stream loses nothing" in text(pilot))
        await pilot.press("s")
        await until(pilot, lambda: not inspector.stopped)
        await bob.say("last")
        await until(pilot, lambda: "last" in text(pilot))
        assert ("dropped" in bob.texts) is (technique.traits.transport == "tcp")


@pytest.mark.parametrize("how", ["inspector closed", "fault off", "escape"])
async def test_everything_is_released(
    technique: Technique, server: Serving, connect: Connect, state_dir: Path, how: str
) -> None:
    async with looking(technique, server, connect, state_dir) as (pilot, bob, inspector):
        await says(pilot, inspector, "it waits")
        match how:
            case "inspector closed":
                await pilot.press("f2")
            case "fault off":
                await pilot.press("escape")
                await write(pilot, "/fault off")
            case "escape":
                await pilot.press("escape", "escape")
        await bob.hears("it waits")
        await until(pilot, lambda: "THE WIRE IS STOPPED" not in text(pilot))


async def test_leaving_the_program_lets_pass_what_waits(
    technique: Technique, server: Serving, connect: Connect, state_dir: Path
) -> None:
    async with looking(technique, server, connect, state_dir) as (pilot, bob, inspector):
        await says(pilot, inspector, "the last words")
        await pilot.app.action_quit()
        await bob.hears("the last words")


@pytest.mark.parametrize("technique", ["udp"], indirect=True)
async def test_keys_act_in_their_order_however_fast_they_come(
    technique: Technique, server: Serving, connect: Connect, state_dir: Path
) -> None:
    async with looking(technique, server, connect, state_dir) as (pilot, bob, inspector):
        await says(pilot, inspector, "dropped")
        await pilot.press("d", "s", "f2")
        await until(pilot, lambda: not inspector.stopped and not inspector.has_class("-on"))
        last = await bob.say("last")
        await bob.knows(last.seq)
        assert "dropped" not in bob.texts
