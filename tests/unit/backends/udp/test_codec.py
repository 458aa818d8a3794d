"""UDP's messages and how they are packed: what fits in a datagram, and that nothing is lost."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.udp.codec import (
    MAX_BODY,
    MIN_HELLO,
    TRAILER,
    CookieMessage,
    EndMessage,
    EventsMessage,
    GoneMessage,
    HelloMessage,
    MemberListMessage,
    NameListMessage,
    PageMessage,
    WelcomeMessage,
    decode_request,
    decode_response,
    encode_hello,
)
from backends.udp.message_auth import MAC_BYTES, MAX_DIGITS
from backends.udp.packing import encode_members, encode_names, encode_page, pack
from chat.domain.errors import BadRequest, NickTaken
from chat.domain.json_codec import PingMessage, encode
from chat.domain.model import Event, Hello, Limits, Member, Welcome


def event(seq: int, text: str = "hello") -> Event:
    return Event(
        "sent", seq, seq - 1, 1795393822791, "ann", "850358367bd6586fd9bf2ccd", "udp", seq, seq, text
    )


TEXTS = st.lists(st.text('ab"\\\n😀', min_size=1, max_size=700), min_size=1, max_size=40)


def events_in(datagram: bytes) -> list[Event]:
    message = decode_response(datagram)
    if isinstance(message, Event):
        return [message]
    assert isinstance(message, EventsMessage | PageMessage)
    return message.events


# --- what fits -----------------------------------------------------------------------------------


@given(TEXTS)
def test_packed_events_come_out_as_they_went_in(texts: list[str]) -> None:
    events = [event(seq, text) for seq, text in enumerate(texts, 1)]
    datagrams = pack(events)
    assert [one for datagram in datagrams for one in events_in(datagram)] == events


@given(TEXTS)
def test_a_datagram_of_several_events_leaves_space_for_a_trailer(texts: list[str]) -> None:
    for datagram in pack([event(seq, text) for seq, text in enumerate(texts, 1)]):
        assert len(datagram) <= MAX_BODY or len(events_in(datagram)) == 1


def test_short_events_share_a_datagram() -> None:
    assert [len(events_in(datagram)) for datagram in pack([event(seq) for seq in range(1, 16)])] == [7, 7, 1]


def test_one_event_alone_is_a_datagram_as_it_is() -> None:
    assert pack([event(1)]) == (encode(event(1)),)


def test_a_trailer_fits_in_the_space_that_is_left_for_it() -> None:
    assert len("\n") + MAX_DIGITS + len(" ") + 2 * MAC_BYTES <= TRAILER


@given(TEXTS, st.booleans())
def test_a_page_has_what_fits_from_the_side_that_was_asked_for(texts: list[str], backwards: bool) -> None:
    events = [event(seq, text) for seq, text in enumerate(texts, 1)]
    datagram = encode_page(3, 99, events, backwards=backwards)
    page = decode_response(datagram)
    assert isinstance(page, PageMessage)
    assert (page.ref, page.head) == (3, 99)
    count = len(page.events)
    assert count >= 1
    assert page.events == (events[-count:] if backwards else events[:count])
    assert len(datagram) <= MAX_BODY or count == 1


def test_a_page_of_nothing_is_empty() -> None:
    assert decode_response(encode_page(3, 9, [], backwards=True)) == PageMessage(3, 9, [])


@pytest.mark.parametrize(("count", "more"), [(2, False), (2, True), (40, True)])
def test_names_say_whether_there_are_more(count: int, more: bool) -> None:
    events = [event(seq + 10**12) for seq in range(count)]
    names = decode_response(encode_names(1, events, more if count < 40 else False))
    assert isinstance(names, NameListMessage)
    assert names.more is more
    assert [name.seq for name in names.names] == [one.seq for one in events[: len(names.names)]]


def test_names_carry_no_text() -> None:
    assert b"secret" not in encode_names(1, [event(1, "secret")], False)


@pytest.mark.parametrize(("count", "more"), [(0, False), (3, False), (100, True)])
def test_members_say_whether_there_are_more(count: int, more: bool) -> None:
    members = [Member(f"{i:024x}", f"nick{i}", "udp") for i in range(count)]
    datagram = encode_members(1, members)
    page = decode_response(datagram)
    assert isinstance(page, MemberListMessage)
    assert (page.more, page.members) == (more, members[: len(page.members)])
    assert len(datagram) <= MAX_BODY


def test_a_welcome_to_the_longest_nick_fits_a_datagram() -> None:
    nick = "😀" * 24
    members = (Member("0" * 24, nick, "udp"),) * 2000
    welcome = Welcome("r" * 32, nick, "0" * 24, "k" * 22, "e" * 36, 1, 2**53, 2**53, members, Limits())
    message = WelcomeMessage.of(welcome, 2**53 - 300, "n" * 32, "s" * 16)
    assert len(encode(message)) <= MAX_BODY


# --- the handshake -----------------------------------------------------------------------------


def test_a_hello_is_longer_than_the_longest_answer() -> None:
    hello = encode_hello(HelloMessage("x"))
    longest = CookieMessage("0" * 32, "😀" * 32, True)
    assert len(hello) >= MIN_HELLO > len(encode(CookieMessage("0" * 32, "0" * 32, True)))
    assert len(encode_hello(HelloMessage("x", nonce="😀" * 32))) > len(encode(longest))


@pytest.mark.parametrize("room", ["r" * size for size in range(100, 280)])
def test_padding_keeps_the_hello_a_hello(room: str) -> None:
    hello = decode_request(encode_hello(HelloMessage("x", room)))
    assert isinstance(hello, HelloMessage)
    assert (hello.nick, hello.room) == ("x", room)


def test_gone_is_no_longer_than_the_shortest_ping() -> None:
    assert len(encode(GoneMessage())) <= len(encode(PingMessage()))


def test_a_nonce_has_an_end() -> None:
    with pytest.raises(BadRequest):
        decode_request(json.dumps({"kind": "hello", "nick": "x", "nonce": "n" * 33}).encode())


def test_an_end_carries_the_models_error() -> None:
    error = EndMessage.of(NickTaken("somebody has it", retry_after=3.0), "n").error()
    assert isinstance(error, NickTaken)
    assert (str(error), error.retry_after) == ("somebody has it", 3.0)


def test_a_hello_has_no_place_for_the_token() -> None:
    hello = HelloMessage.of(Hello("lab", "ann", access="open sesame"), "n")
    assert b"sesame" not in encode_hello(hello)
