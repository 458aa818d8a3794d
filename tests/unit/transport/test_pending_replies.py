"""Pending replies: each finds its request, and the end of the connection ends all of them."""

from __future__ import annotations

import asyncio

import pytest

from chat.domain.errors import BadRequest, ConnectionLost, NotYours, SeatTaken
from chat.transport.pending_replies import PendingReplies


async def test_replies_may_overtake_each_other() -> None:
    replies = PendingReplies()
    waiting = [asyncio.create_task(replies.wait(key, str)) for key in (1, 2)]
    await asyncio.sleep(0)
    replies.resolve(2, "second")
    replies.resolve(1, "first")
    assert await asyncio.gather(*waiting) == ["first", "second"]


async def test_a_refusal_is_raised() -> None:
    replies = PendingReplies()
    waiting = asyncio.create_task(replies.wait(("draft", 1), str))
    await asyncio.sleep(0)
    replies.refuse(("draft", 1), NotYours("not yours"))
    with pytest.raises(NotYours):
        await waiting


async def test_a_reply_that_cannot_be_read_is_an_error_of_its_sender() -> None:
    def read(value: object) -> None:
        raise BadRequest("not a reply")

    replies = PendingReplies()
    waiting = asyncio.create_task(replies.wait(1, read))
    await asyncio.sleep(0)
    with pytest.raises(BadRequest):
        replies.resolve(1, None)
    replies.fail(ConnectionLost("it does not speak the protocol"))
    with pytest.raises(ConnectionLost):
        await waiting


async def test_what_nobody_waits_for_is_dropped() -> None:
    replies = PendingReplies()
    replies.resolve(1, "early")
    replies.refuse(1, NotYours("early"))
    waiting = asyncio.create_task(replies.wait(1, str))
    await asyncio.sleep(0)
    replies.resolve(1, "in time")
    replies.resolve(1, "twice")
    replies.refuse(1, NotYours("late"))
    assert await waiting == "in time"


async def test_a_request_that_is_given_up_is_forgotten() -> None:
    replies = PendingReplies()
    waiting = asyncio.create_task(replies.wait(1, str))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    replies.resolve(1, "late")
    assert replies._pending == {}


async def test_the_end_of_the_connection_is_connection_lost_for_every_request() -> None:
    """Whatever the reason is: a request it is not about must not fail by it."""
    replies = PendingReplies()
    waiting = [asyncio.create_task(replies.wait(key, str)) for key in range(3)]
    await asyncio.sleep(0)
    replies.fail(SeatTaken("another connection has taken the seat"))
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert type(outcome) is ConnectionLost
        assert "another connection" in str(outcome)
