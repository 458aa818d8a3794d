"""Coming in: the welcome, the replay, names, seats that are given back, and the keys of the house."""

from __future__ import annotations

import pytest

from chat.domain.errors import (
    AccessDenied,
    BadName,
    BadText,
    ChatError,
    ConnectionLost,
    Full,
    NickTaken,
    SeatTaken,
    StaleCursor,
)
from chat.domain.guesses import FIRST_DELAY, FREE, Guesses
from chat.domain.model import Cursor, Hello, Limits, Say
from chat.domain.seat_key import new_seat_key
from chat.domain.validation import seat_name
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from tests.support.kit import QUICK, Connect, Serving
from tests.support.people import Enter, Person, one_chain
from tests.support.words import NICKS, REFUSED_NICKS, REFUSED_ROOMS, case

NO_RATE = Limits(burst=0)


async def away(enter: Enter, nick: str) -> float:
    """Wait until the server has noticed that this nick's owner is away; return how long the name is kept."""
    while True:
        with pytest.raises(NickTaken) as refused:
            await enter(nick)
        if refused.value.retry_after is not None:
            return refused.value.retry_after


# --- the welcome ---------------------------------------------------------------------------------


async def test_the_welcome_tells_the_room_the_seat_and_the_limits(
    ann: Person, bob: Person, hub: Hub, technique: Technique
) -> None:
    welcome = bob.welcome
    assert (welcome.room, welcome.nick, welcome.n, welcome.limits) == ("lab", "bob", 0, hub.limits)
    assert (welcome.first, welcome.head) == (1, (await bob.sees("joined", "bob")).seq)
    assert welcome.epoch == ann.welcome.epoch != ""
    assert [(m.seat, m.nick, m.technique) for m in welcome.members] == [
        (ann.welcome.seat, "ann", technique.name),
        (bob.welcome.seat, "bob", technique.name),
    ]


async def test_the_seats_name_is_a_hash_of_the_key_that_only_its_owner_gets(ann: Person, bob: Person) -> None:
    assert bob.welcome.seat == seat_name(bob.welcome.seat_key)
    assert ann.welcome.seat_key != bob.welcome.seat_key
    event = await ann.sees("joined", "bob")
    assert bob.welcome.seat_key not in repr(event)


async def test_who_is_there_sees_who_comes(ann: Person, bob: Person, technique: Technique) -> None:
    event = await ann.sees("joined", "bob")
    assert (event.seat, event.technique, event.seq) == (bob.welcome.seat, technique.name, bob.welcome.head)


async def test_who_comes_sees_the_own_coming(ann: Person) -> None:
    assert (await ann.sees("joined", "ann")).seq == ann.welcome.head


# --- the replay ----------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [Limits(burst=0, replay=5)], ids=[""])
async def test_without_a_cursor_the_newest_are_replayed(ann: Person, enter: Enter) -> None:
    for i in range(10):
        await ann.say(f"m{i}")
    bob = await enter("bob")
    seen = await bob.knows(bob.welcome.head)
    assert [event.text for event in seen] == ["m6", "m7", "m8", "m9", ""]


@pytest.mark.parametrize("limits", [Limits(burst=0, replay=5)], ids=[""])
async def test_from_0_on_everything_is_replayed(ann: Person, enter: Enter) -> None:
    for i in range(10):
        await ann.say(f"m{i}")
    bob = await enter("bob", cursor=Cursor(0))
    seen = await bob.knows(bob.welcome.head)
    assert len(seen) == 13
    assert one_chain(sorted(seen, key=lambda event: event.seq))
    assert (seen[0].kind, seen[0].text, seen[0].prev) == ("opened", bob.welcome.epoch, 0)


async def test_with_a_cursor_just_what_came_after_it_is_replayed(ann: Person, enter: Enter) -> None:
    place = (await ann.say("one")).seq
    await ann.say("two")
    for nick, epoch in (("bob", ""), ("eve", ann.welcome.epoch)):
        with case(f"epoch {epoch!r}"):
            person = await enter(nick, cursor=Cursor(place, epoch))
            seen = await person.knows(person.welcome.head)
            assert seen[0].text == "two"
            await ann.knows(person.welcome.head)  # a client of a broker reads its own copy of the log
            assert seen == await ann.client.history(after=place, limit=9)


async def test_with_a_cursor_at_the_head_nothing_is_replayed(ann: Person, bob: Person, enter: Enter) -> None:
    await bob.client.close(leave=False)
    again = await enter(
        "bob", seat_key=bob.welcome.seat_key, cursor=Cursor(bob.welcome.head, bob.welcome.epoch)
    )
    last = await ann.say("news")
    assert await again.knows(last.seq) == again.seen[:1]
    assert again.texts == ["news"]


@pytest.mark.parametrize("limits", [NO_RATE], ids=[""])
async def test_a_replay_longer_than_the_ring_is_whole(
    ann: Person, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.domain.room_replica.RING_EVENTS", 50)
    for i in range(500):
        await ann.say(f"m{i}")
    bob = await enter("bob", cursor=Cursor(0))
    seen = sorted(await bob.knows(bob.welcome.head), key=lambda event: event.seq)
    assert one_chain(seen)
    assert seen[0].seq == 1


@pytest.mark.parametrize("limits", [NO_RATE], ids=[""])
async def test_replay_and_live_events_join_without_a_gap(ann: Person, enter: Enter) -> None:
    newcomers = []
    for i in range(100):
        await ann.say(f"m{i}")
        if i % 10 == 0:
            newcomers.append(await enter(f"new{i}", cursor=Cursor(0)))
    last = await ann.say("last")
    for newcomer in newcomers:
        seen = sorted(await newcomer.knows(last.seq), key=lambda event: event.seq)
        assert seen[0].seq == 1
        assert one_chain(seen)


async def test_a_cursor_of_another_log_is_refused(ann: Person, enter: Enter) -> None:
    for cursor in (Cursor(1, "another epoch"), Cursor(10**6)):
        with case(cursor), pytest.raises(StaleCursor):
            await enter("bob", cursor=cursor)
    assert [member.nick for member in await ann.client.members()] == ["ann"]


# --- the seat ------------------------------------------------------------------------------------


async def test_the_key_gives_the_seat_back_and_nobody_sees_it(ann: Person, bob: Person, enter: Enter) -> None:
    await bob.say("before", n=7)
    await bob.client.close(leave=False)
    again = await enter("bob", seat_key=bob.welcome.seat_key)
    assert (again.welcome.seat, again.welcome.n) == (bob.welcome.seat, 7)
    after = await again.say("after")
    seen = await ann.knows(after.seq)
    assert [event.kind for event in seen if event.author == "bob"] == ["joined", "sent", "sent"]


async def test_with_the_seat_its_messages_come_back(bob: Person, enter: Enter) -> None:
    message = await bob.say("tpyo")
    await bob.client.close(leave=False)
    again = await enter("bob", seat_key=bob.welcome.seat_key)
    await again.edit(message.seq, "typo")


@pytest.mark.both_loops
async def test_a_second_connection_with_the_key_takes_the_seat_over(
    ann: Person, bob: Person, enter: Enter, technique: Technique
) -> None:
    again = await enter("bob", seat_key=bob.welcome.seat_key)
    if technique.traits.push:
        assert isinstance(await bob.over, SeatTaken)
    said = await again.say("still me")
    assert (await ann.knows(said.seq))[-1].seat == bob.welcome.seat


async def test_a_connected_owner_keeps_the_name_and_is_not_away(bob: Person, enter: Enter) -> None:
    for nick in ("bob", "BOB"):
        with pytest.raises(NickTaken) as refused:
            await enter(nick)
        assert (refused.value.retry_after, "away" in str(refused.value)) == (None, False)


async def test_an_owner_who_is_away_keeps_the_name_for_a_while(
    bob: Person, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.server.seat.POLL_AWAY", 0)  # no test waits 45 s for a client that polls
    await bob.sees("joined", "bob")  # it has polled
    await bob.client.close(leave=False)
    assert 0 < await away(enter, "bob") <= 60


@pytest.mark.parametrize("limits", [Limits(grace=0.5)], ids=[""])
async def test_who_does_not_come_back_in_time_has_left(ann: Person, bob: Person, enter: Enter) -> None:
    await bob.client.close(leave=False)
    await ann.sees("left", "bob")
    again = await enter("bob", seat_key=bob.welcome.seat_key)
    assert again.welcome.seat != bob.welcome.seat


async def test_an_unknown_key_opens_nothing(bob: Person, enter: Enter) -> None:
    with pytest.raises(NickTaken):
        await enter("bob", seat_key="guessed")
    await bob.say("nothing happened")


async def test_the_same_hello_again_gives_the_same_new_seat(ann: Person, enter: Enter) -> None:
    made_up = new_seat_key()
    lost = await enter("bob", seat_key=made_up, listen=False)
    again = await enter("bob", seat_key=made_up)
    assert (again.welcome.seat, again.welcome.seat_key) == (lost.welcome.seat, lost.welcome.seat_key)
    said = await again.say("here I am")
    seen = await ann.knows(said.seq)
    assert [event.kind for event in seen if event.author == "bob"] == ["joined", "sent"]


async def test_somebody_elses_key_does_not_make_one_somebody_else(bob: Person, enter: Enter) -> None:
    eve = await enter("eve", seat_key=bob.welcome.seat_key)
    assert eve.welcome.seat != bob.welcome.seat
    await bob.say("nothing happened")


@pytest.mark.parametrize("count", [0, 1, 4, 1000])
async def test_one_chooses_how_many_events_are_replayed(ann: Person, enter: Enter, count: int) -> None:
    for i in range(6):
        await ann.say(f"m{i}")
    bob = await enter("bob", replay=count)
    assert bob.welcome.head == (await ann.sees("joined", "bob")).seq
    before = (await ann.knows(bob.welcome.head))[-count:] if count else []
    said = await ann.say("news")
    seen = sorted(event.seq for event in await bob.knows(said.seq))
    assert seen == [*(event.seq for event in before), said.seq]


@pytest.mark.parametrize("limits", [Limits(replay=3)], ids=[""])
async def test_no_more_events_are_replayed_than_the_server_allows(ann: Person, enter: Enter) -> None:
    last = [await ann.say(f"m{i}") for i in range(6)][-1]
    bob = await enter("bob", replay=200)
    await bob.knows(bob.welcome.head)
    assert len(bob.seen) == 3
    assert last.seq in bob.seqs


async def test_with_a_cursor_everything_after_it_is_replayed(ann: Person, enter: Enter) -> None:
    first, *_ = [await ann.say(f"m{i}") for i in range(6)]
    bob = await enter("bob", replay=1, cursor=Cursor(first.seq))
    await bob.knows(bob.welcome.head)
    assert sorted(bob.texts) == [f"m{i}" for i in range(1, 6)]


# --- names ---------------------------------------------------------------------------------------


async def test_names_of_all_scripts_are_welcome(enter: Enter) -> None:
    for nick in NICKS:
        with case(nick):
            person = await enter(nick)
            assert person.welcome.nick == nick
            assert (await person.sees("joined", nick)).author == nick


async def test_a_name_is_composed_when_it_comes_in(enter: Enter) -> None:
    person = await enter("Zoe\u0308")
    assert person.welcome.nick == "Zo\u00eb"
    with pytest.raises(NickTaken):
        await enter("ZO\u00cb")


async def test_what_is_no_name_is_refused(enter: Enter) -> None:
    for nick in REFUSED_NICKS:
        with case(nick), pytest.raises(BadName):
            await enter(nick)


async def test_a_lone_surrogate_is_no_name(enter: Enter) -> None:
    with pytest.raises((BadName, BadText)):
        await enter("\ud800")


async def test_what_is_no_room_is_refused(enter: Enter) -> None:
    for room in REFUSED_ROOMS:
        with case(room), pytest.raises(BadName):
            await enter("ann", room)


async def test_rooms_hear_nothing_of_each_other(enter: Enter) -> None:
    here, there = await enter("ann", "here"), await enter("ann", "there")
    await here.say("only here")
    said = await there.say("only there")
    assert [event.text for event in await there.knows(said.seq) if event.kind == "sent"] == ["only there"]
    assert here.welcome.epoch != there.welcome.epoch


# --- doors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("access", ["Sesam, öffne dich"])
async def test_without_the_access_token_nobody_comes_in(enter: Enter, access: str) -> None:
    for shown in ("", "wrong", "Sesam"):
        with case(shown), pytest.raises(AccessDenied):
            await enter("ann", access=shown)


@pytest.mark.parametrize("access", ["sesame-7", "100%25-mine", "50% off", "Sesam, öffne dich", "ä", "%"])
async def test_with_the_access_token_one_comes_in(enter: Enter, access: str) -> None:
    await (await enter("ann", access=access)).say("hello")


@pytest.mark.parametrize("access", ["sesame-7"], ids=[""])
async def test_who_guesses_the_access_token_must_wait_and_who_knows_it_need_not(
    technique: Technique, enter: Enter, hub: Hub, access: str
) -> None:
    if technique.server is None:
        pytest.skip("a broker decides by itself who comes in")
    now = [0.0]
    hub._guesses = Guesses(lambda: now[0])
    for guess in range(FREE + 1):
        with pytest.raises(AccessDenied) as wrong:
            await enter("eve", access=f"guess-{guess}")
        assert wrong.value.retry_after is None
    for token in (access, "guess"):  # it is not looked at
        with pytest.raises(AccessDenied, match="too many") as denied:
            await enter("ann", access=token)
        assert denied.value.retry_after == FIRST_DELAY
    now[0] += FIRST_DELAY
    await (await enter("ann", access=access)).say("hello")
    with pytest.raises(AccessDenied, match="wrong"):
        await enter("eve", access="guess-again")
    await (await enter("bob", access=access)).say("hello, too")


@pytest.mark.parametrize("limits", [Limits(seats=1)], ids=[""])
async def test_a_full_server_says_so(ann: Person, enter: Enter) -> None:
    with pytest.raises(Full):
        await enter("bob")


async def test_who_was_refused_can_try_again(ann: Person, enter: Enter) -> None:
    with pytest.raises(NickTaken):
        await enter("ann")
    await (await enter("bob")).say("hello")


@pytest.mark.both_loops
async def test_where_nobody_listens_that_is_said(
    technique: Technique, server: Serving, connect: Connect
) -> None:
    await server.server.stop()
    with pytest.raises(ConnectionLost) as lost:
        await connect("ann")
    assert str(server.address) in str(lost.value)


async def test_without_a_seat_nothing_can_be_asked(technique: Technique, server: Serving) -> None:
    client = technique.load_client()(server.address, QUICK)
    for ask in (client.send(Say("hi", 1)), client.members(), client.ping(), client.history(limit=1)):
        with pytest.raises(ConnectionLost):
            await ask
    with pytest.raises(ChatError):
        async for _ in client.events():
            pass
    await client.close()


@pytest.mark.both_loops
async def test_a_refused_client_closes_like_any_other(technique: Technique, server: Serving) -> None:
    client = technique.load_client()(server.address, QUICK)
    with pytest.raises(BadName):
        await client.connect(Hello("lab", "no name"))
    await client.close()
    await client.close()
