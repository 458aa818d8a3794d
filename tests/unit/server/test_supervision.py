"""The teacher's means at the hub: in the log's order, kept over a restart, believed only with a proof."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chat.domain.classroom import proof
from chat.domain.errors import ChatError, NotYours
from chat.domain.model import Ack, Draft, Entry, Event, Hello, Say, Sent
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog
from chat.server.logs.sqlite import SqliteLog
from chat.server.seat import HubSeat
from chat.server.supervision import Supervision

TOKEN = "the teacher's own token"


async def send(seat: HubSeat, *texts: str) -> list[Event | Ack | ChatError]:
    """Send all texts at once, and return what became of each."""
    outcomes = [asyncio.get_running_loop().create_future() for _ in texts]
    for text, outcome in zip(texts, outcomes, strict=True):

        def reply(_: Draft, what: Event | Ack | ChatError, outcome: asyncio.Future[object] = outcome) -> None:
            outcome.set_result(what)

        seat.send(Say(text), reply)
    return list(await asyncio.gather(*outcomes))


async def seated(hub: Hub, nick: str) -> HubSeat:
    return await hub.take_seat(Hello("lab", nick), "tcp")


async def test_what_comes_behind_a_freeze_is_refused_before_that_is_committed() -> None:
    hub = Hub(MemoryLog(), teacher=TOKEN)
    await hub.start()
    teacher, ann = await seated(hub, "teacher"), await seated(hub, "ann")
    await send(teacher, f"/class teacher {proof(TOKEN, teacher.seat)}")
    frozen, said = await asyncio.gather(send(teacher, "/class freeze"), send(ann, "a moment later"))
    assert isinstance(frozen[0], Event)
    assert isinstance(said[0], NotYours)
    await hub.stop()


async def test_it_holds_over_a_restart_and_so_does_who_the_teacher_is(tmp_path: Path) -> None:
    path = tmp_path / "chat.sqlite3"
    hub = Hub(SqliteLog(path), teacher=TOKEN)
    await hub.start()
    teacher, ann = await seated(hub, "teacher"), await seated(hub, "ann")
    await send(teacher, f"/class teacher {proof(TOKEN, teacher.seat)}", "/class freeze")
    keys = teacher.key, ann.key
    await hub.stop()
    hub = Hub(SqliteLog(path), teacher=TOKEN)
    await hub.start()
    teacher = await hub.take_seat(Hello("lab", "teacher", seat_key=keys[0]), "tcp")
    ann = await hub.take_seat(Hello("lab", "ann", seat_key=keys[1]), "tcp")
    assert isinstance((await send(ann, "hello"))[0], NotYours)
    assert isinstance((await send(teacher, "/class thaw"))[0], Event)
    assert isinstance((await send(ann, "hello"))[0], Event)
    await hub.stop()


async def test_a_log_of_a_server_without_a_teacher_is_not_obeyed() -> None:
    """A message of an older server's log may say anything."""
    supervision = Supervision(TOKEN, shared=False)
    entries = [Entry(1, 0, Sent("s", "ann", "tcp", 1, "/class freeze"))]
    entries.append(Entry(2, 0, Sent("s", "ann", "tcp", 2, f"/class teacher {proof('guessed', 's')}")))
    entries.append(Entry(3, 0, Sent("s", "ann", "tcp", 3, "/class freeze")))
    supervision.replay(entries)
    assert not supervision.state.frozen


@pytest.mark.parametrize("text", ["/class freeze", f"/class teacher {proof('', 'x')}"])
async def test_without_a_token_nobody_is_a_teacher(text: str) -> None:
    hub = Hub(MemoryLog())
    await hub.start()
    ann = await seated(hub, "ann")
    outcomes = await send(ann, text, "/class hand")
    assert isinstance(outcomes[0], NotYours)
    assert isinstance(outcomes[1], Event), "a hand may be raised without a teacher"
    await hub.stop()
