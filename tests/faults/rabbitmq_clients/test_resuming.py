"""Clients that come back, and where they begin to read: at their cursor, or at what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from backends.rabbitmq import names
from backends.rabbitmq.stream import Follower, Link
from backends.rabbitmq.stream_reader import Start
from chat.domain.errors import StaleCursor
from chat.domain.model import Cursor
from tests.support.people import Person
from tests.support.rabbit_room import Enter


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Start]:
    """Where rooms were read from, each time somebody began to."""
    starts: list[Start] = []
    begin = Follower.begin

    async def noted(link: Link, room: str, start: Start, *rest: Any, **more: Any) -> Follower:
        if not more:  # to look at one message is not to read
            starts.append(start)
        return await begin(link, room, start, *rest, **more)

    monkeypatch.setattr(Follower, "begin", noted)
    return starts


async def away(person: Person) -> dict[str, Any]:
    """Break the person's connection; return what the session shows when it comes back."""
    await person.client.close(leave=False)
    last = person.seen[-1].seq if person.seen else person.welcome.head
    return {"seat_key": person.welcome.seat_key, "cursor": Cursor(last, person.welcome.epoch)}


async def test_who_comes_back_reads_on_where_he_was(enter: Enter, begun: list[Start]) -> None:
    ann, bob = await enter("ann"), await enter("bob")
    for number in range(20):
        await ann.say(f"m{number}")
    line = await ann.hears("m19")
    await bob.hears("m19")
    shown = await away(bob)
    await ann.edit(line.seq, "m19!")
    await ann.say("meanwhile")
    begun.clear()
    back = await enter("bob", **shown)
    assert begun == [shown["cursor"].seq], "an offset is one less than its seq: the next one"
    assert back.welcome.seat == bob.welcome.seat
    await back.hears("meanwhile")
    assert [event.kind for event in back.seen] == ["edited", "sent"]
    assert [member.nick for member in await back.client.members()] == ["ann", "bob"]
    await back.say("and on")
    await ann.hears("and on")


async def test_a_room_that_somebody_made_anew_meanwhile_is_another_one(
    enter: Enter, stranger: Any, begun: list[Start]
) -> None:
    ann = await enter("ann")
    await ann.say("before")
    shown = await away(ann)
    await stranger.call("queue_delete", queue=names.log("lab"))
    bob = await enter("bob")
    for number in range(20):  # it is longer than the one before
        await bob.say(f"m{number}")
    begun.clear()
    with pytest.raises(StaleCursor, match="another log"):
        await enter("ann", **shown)
    assert begun == ["first"]
    again = await enter("ann")
    await again.hears("m19")
    assert "before" not in again.texts


async def test_who_was_away_while_his_place_was_cut_off_begins_with_what_is_kept(
    enter: Enter, monkeypatch: pytest.MonkeyPatch, begun: list[Start]
) -> None:
    small = {**names.LOG_ARGUMENTS, "x-max-length-bytes": 200_000, "x-stream-max-segment-size-bytes": 50_000}
    monkeypatch.setattr(names, "LOG_ARGUMENTS", small)
    monkeypatch.setattr("chat.domain.room.CHECKPOINT_EVERY", 20)
    ann, bob = await enter("ann"), await enter("bob")
    shown = await away(bob)
    for number in range(300):
        await ann.say(f"{number} " + "x" * 3000)
    begun.clear()
    with pytest.raises(StaleCursor, match="history starts at"):
        await enter("bob", **shown)
    assert begun == ["first"]
    again = await enter("bob", seat_key=bob.welcome.seat_key)
    assert again.welcome.seat == bob.welcome.seat
    assert [member.nick for member in again.welcome.members] == ["ann", "bob"]


async def test_a_cursor_from_before_what_is_kept_is_refused_with_where_history_starts(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {**names.LOG_ARGUMENTS, "x-max-length-bytes": 200_000, "x-stream-max-segment-size-bytes": 50_000}
    monkeypatch.setattr(names, "LOG_ARGUMENTS", small)
    monkeypatch.setattr("chat.domain.room.CHECKPOINT_EVERY", 20)
    ann = await enter("ann")
    for number in range(300):
        await ann.say(f"{number} " + "x" * 3000)
    bob = await enter("bob")
    assert bob.welcome.first > 50
    assert [member.nick for member in bob.welcome.members] == ["ann", "bob"], "from a checkpoint"
    with pytest.raises(StaleCursor, match=f"history starts at {bob.welcome.first}"):
        await enter("carol", cursor=Cursor(10, bob.welcome.epoch))
    oldest = await bob.client.history(after=0, limit=1)
    assert oldest[0].seq >= bob.welcome.first
