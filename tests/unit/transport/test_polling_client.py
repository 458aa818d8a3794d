"""The base of polling clients, over a technique whose calls are plain method calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat.domain.errors import BadRequest, BadText, ChatError, ConnectionLost, Full
from chat.domain.model import Ack, Delete, Edit, Event, Hello, Limits, Member, Say, Welcome
from chat.interfaces.address import Address
from chat.transport.polling_client import Page, PollingClient

HELLO = Hello("lab", "ann")
ROOM = [Event("sent", seq, seq - 1, 0, "ann", text=f"m{seq}") for seq in range(1, 8)]
ANSWER = 3
"""Events in one answer, at most."""


class LocalClient(PollingClient):
    """Keeps the room itself, and writes down its calls. A call blocks until `answering` is set."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Address("127.0.0.1", 1), **options)
        self.calls: list[str] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.refusals: dict[int, ChatError] = {}

    async def _called(self, name: str, n: int = 0) -> Ack:
        self.calls.append(name)
        if n in self.refusals:
            await asyncio.sleep(0)
            raise self.refusals.pop(n)
        await self.answering.wait()
        return Ack(n, 100 + n)

    async def _join(self, hello: Hello) -> tuple[Welcome, int]:
        await self._called("join")
        self._seat_key = "key"
        return Welcome(hello.room, hello.nick, "seat", "key", "epoch", 1, 7, 0, (), Limits(page=5)), 2

    async def _say(self, draft: Say) -> Ack:
        return await self._called(f"say {draft.text}", draft.n)

    async def _edit(self, draft: Edit) -> Ack:
        return await self._called(f"edit {draft.id}", draft.n)

    async def _delete(self, draft: Delete) -> Ack:
        return await self._called(f"delete {draft.id}", draft.n)

    async def _fetch(self, after: int | None, before: int | None, limit: int, wait: float = 0.0) -> Page:
        await self._called(f"fetch {after} {before} {limit}")
        most = min(limit, ANSWER)
        if after is not None:
            return Page([event for event in ROOM if event.seq > after][:most], 7)
        return Page([event for event in ROOM if before is None or event.seq < before][-most:], 7)

    async def _members(self) -> list[Member]:
        await self._called("members")
        return []

    async def _ping(self) -> None:
        await self._called("ping")

    async def _leave(self) -> None:
        await self._called("leave")

    async def _disconnect(self) -> None:
        self.calls.append("disconnect")


async def joined(**options: Any) -> LocalClient:
    client = LocalClient(**options)
    await client.connect(HELLO)
    client.calls.clear()
    return client


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_events_begin_after_the_start_and_follow_page_by_page() -> None:
    client = await joined()
    events = client.events()
    seqs = [[event.seq for event in await anext(events) if isinstance(event, Event)] for _ in range(2)]
    assert seqs == [[3, 4, 5], [6, 7]]
    await client.close()
    assert [batch async for batch in events] == []


async def test_history_asks_until_the_page_is_full() -> None:
    client = await joined()
    assert [event.seq for event in await client.history(after=1, limit=4)] == [2, 3, 4, 5]
    assert [event.seq for event in await client.history(before=7, limit=4)] == [3, 4, 5, 6]
    assert [event.seq for event in await client.history(limit=4)] == [4, 5, 6, 7]
    assert client.calls == [
        *("fetch 1 None 4", "fetch 4 None 1"),
        *("fetch None 7 4", "fetch None 4 1"),
        *("fetch None None 4", "fetch None 5 1"),
    ]


async def test_history_ends_at_the_beginning_and_the_head_of_the_room() -> None:
    client = await joined()
    assert [event.seq for event in await client.history(before=3, limit=5)] == [1, 2]
    assert [event.seq for event in await client.history(after=5, limit=5)] == [6, 7]
    assert client.calls == ["fetch None 3 5", "fetch 5 None 5"]


async def test_history_is_never_longer_than_the_page_of_the_server() -> None:
    client = await joined()
    assert len(await client.history(after=0, limit=100)) == 5


@pytest.mark.parametrize(
    ("draft", "call"),
    [(Say("hello", 1), "say hello"), (Edit(7, "x", 1), "edit 7"), (Delete(7, 1), "delete 7")],
)
async def test_each_draft_is_a_call_whose_answer_is_its_ack(draft: Say | Edit | Delete, call: str) -> None:
    client = await joined()
    assert await client.send(draft) == Ack(1, 101)
    assert client.calls == [call]


async def test_a_draft_without_a_number_is_refused() -> None:
    client = await joined()
    with pytest.raises(BadRequest, match="needs a number"):
        await client.send(Say("hello"))


async def test_a_refusal_names_its_draft() -> None:
    client = await joined()
    client.refusals[3] = BadText("no")
    with pytest.raises(BadText) as refused:
        await client.send(Say("x", 3))
    assert refused.value.n == 3
    await client.send(Say("y", 4))


async def test_drafts_are_sent_one_after_the_other() -> None:
    client = await joined()
    client.answering.clear()
    sending = [asyncio.create_task(client.send(Say(f"{n}", n))) for n in (1, 2)]
    await turns()
    assert client.calls == ["say 1"]
    client.answering.set()
    assert await asyncio.gather(*sending) == [Ack(1, 101), Ack(2, 102)]
    assert client.calls == ["say 1", "say 2"]


async def test_drafts_are_sent_at_once_where_the_technique_keeps_their_order() -> None:
    client = await joined(in_order=True)
    client.answering.clear()
    sending = [asyncio.create_task(client.send(Say(f"{n}", n))) for n in (1, 2)]
    await turns()
    assert client.calls == ["say 1", "say 2"]
    client.answering.set()
    assert await asyncio.gather(*sending) == [Ack(1, 101), Ack(2, 102)]


async def test_a_refusal_for_the_moment_is_that_of_the_drafts_behind_it() -> None:
    client = await joined()
    client.refusals[1] = Full("later", retry_after=2.0)
    sending = [client.send(Say(f"{n}", n)) for n in (1, 2)]
    first, second = await asyncio.gather(*sending, return_exceptions=True)
    assert isinstance(first, Full)
    assert isinstance(second, Full)
    assert (first.n, second.n, second.retry_after) == (1, 2, 2.0)
    assert client.calls == ["say 1"]


async def test_after_a_lost_connection_no_call_is_made_and_the_reason_is_told() -> None:
    client = await joined()
    client.refusals[1] = ConnectionLost("the server closed the connection")
    with pytest.raises(ConnectionLost, match="the server closed"):
        await client.send(Say("x", 1))
    for call in (client.send(Say("y", 2)), client.ping(), client.members(), client.history(limit=1)):
        with pytest.raises(ConnectionLost, match="the server closed"):
            await call
    with pytest.raises(ConnectionLost, match="the server closed"):
        await anext(client.events())
    await client.close()
    assert client.calls == ["say x", "disconnect"]


async def test_a_lost_connection_ends_the_calls_that_wait() -> None:
    client = await joined()
    client.answering.clear()
    events = client.events()
    waiting: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(call) for call in (anext(events), client.ping(), client.members())
    ]
    await turns()
    client.refusals[1] = ConnectionLost("the connection broke")
    with pytest.raises(ConnectionLost):
        await client.send(Say("x", 1))
    for call in waiting:
        with pytest.raises(ConnectionLost, match="the connection broke"):
            await call


async def test_closing_abandons_the_calls_under_way_and_leaves_once() -> None:
    client = await joined()
    client.answering.clear()
    events = client.events()
    poll = asyncio.ensure_future(anext(events, "ended"))
    ping = asyncio.create_task(client.ping())
    await turns()
    closing = asyncio.create_task(client.close())
    assert await poll == "ended"
    with pytest.raises(ConnectionLost, match="the connection is closed"):
        await ping
    client.answering.set()
    await closing
    await client.close()
    assert client.calls[-2:] == ["leave", "disconnect"]


async def test_closing_during_connect_abandons_it_and_leaves_no_seat() -> None:
    client = LocalClient()
    client.answering.clear()
    connecting = asyncio.create_task(client.connect(HELLO))
    await turns()
    await client.close()
    with pytest.raises(ConnectionLost, match="the connection is closed"):
        await connecting
    assert client.calls == ["join", "disconnect"]


async def test_closing_without_leaving_keeps_the_seat() -> None:
    client = await joined()
    await client.close(leave=False)
    assert client.calls == ["disconnect"]


async def test_a_server_that_does_not_answer_the_leave_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat.transport.polling_client.GOODBYE", 0.01)
    client = await joined()
    client.answering.clear()
    await client.close()
    assert client.calls == ["leave", "disconnect"]


class OlderServer(LocalClient):
    """Its server can't tell how far members have read."""

    async def _seen(self) -> list[Member]:
        await self._called("seen")
        raise BadRequest("no such operation")


async def test_a_server_that_cannot_tell_how_far_members_have_read_is_asked_that_once() -> None:
    client = OlderServer()
    await client.connect(HELLO)
    client.calls.clear()
    for _ in range(2):
        assert await client.members() == []
    assert client.calls == ["seen", "members", "members"]


async def test_before_connect_nothing_can_be_asked() -> None:
    client = LocalClient()
    with pytest.raises(ConnectionLost, match="not connected"):
        await client.ping()
    await client.close()
    assert client.calls == ["disconnect"]
