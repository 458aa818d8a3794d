"""Bad names and keys over TCP: taken, not allowed, of others."""

import pytest

from tests.support.raw import Line, RawPeer, ended

pytestmark = pytest.mark.both_loops

# --- names and keys ------------------------------------------------------------------------------


async def turned_away(peer: RawPeer, code: str, **hello: object) -> Line:
    await peer.say(kind="hello", **hello)
    last = await ended(peer)
    assert last["code"] == code
    return last


@pytest.mark.parametrize("nick", ["bystander", "BYSTANDER"])
async def test_a_name_that_is_taken_is_refused(peer: RawPeer, nick: str) -> None:
    await turned_away(peer, "nick_taken", nick=nick)


@pytest.mark.parametrize(
    "nick", ["", "a b", "a\tb", "\x1b[2J", "x" * 25, "/help", "zero\u200bwidth", "\u202eevil"]
)
async def test_a_name_that_is_none_is_refused(peer: RawPeer, nick: str) -> None:
    assert (await turned_away(peer, "bad_name", nick=nick))["text"].isprintable()


@pytest.mark.parametrize("room", ["", "Lab", "../etc", "a" * 33, "a b", "\0"])
async def test_a_room_that_is_none_is_refused(peer: RawPeer, room: str) -> None:
    assert (await turned_away(peer, "bad_name", nick="eve", room=room))["text"].isprintable()


@pytest.mark.parametrize("key", ["guessed", "\0", "k" * 60_000], ids=["guessed", "NUL", "long"])
async def test_a_key_that_is_not_the_seats_takes_nothing_over(peer: RawPeer, key: str) -> None:
    await turned_away(peer, "nick_taken", nick="bystander", seat_key=key)


async def test_a_public_seat_name_is_no_key(peer: RawPeer, bystander: RawPeer) -> None:
    seat = bystander.lines[0]["seat"]
    await turned_away(peer, "nick_taken", nick="bystander", seat_key=seat)


async def test_somebody_elses_key_under_another_name_gives_an_own_seat(
    peer: RawPeer, bystander: RawPeer
) -> None:
    theirs = bystander.lines[0]
    mine = await peer.enter("eve", seat_key=theirs["seat_key"])
    assert mine["seat"] != theirs["seat"]
    assert mine["seat_key"] != theirs["seat_key"]
