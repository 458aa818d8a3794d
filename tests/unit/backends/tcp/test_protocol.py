"""The line protocol without I/O: what each side may say in which state (docs/protocol.md)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.tcp.protocol import ClientProtocol, ServerProtocol
from chat.domain.errors import BadRequest, BadText, Closing, NickTaken, NotYours
from chat.domain.json_codec import (
    AckMessage,
    ErrorMessage,
    HelloMessage,
    LeaveMessage,
    MembersMessage,
    PingMessage,
    PongMessage,
    WelcomeMessage,
    encode,
    encode_lines,
)
from chat.domain.model import Event, Hello, Limits, Member, Say, Welcome
from chat.transport.connection_state import State

WELCOME = Welcome("lab", "ann", "8503", "key", "epoch", 1, 17, 4, (Member("8503", "ann", "tcp"),), Limits())
EVENT = Event("sent", 17, 16, 1795393822791, "ann", "8503", "tcp", 1, 17, "wörld")


def seated_server() -> ServerProtocol:
    protocol = ServerProtocol()
    protocol.read(encode(HelloMessage("ann")))
    protocol.welcome(WELCOME)
    protocol.data_to_send()
    return protocol


def seated_client() -> ClientProtocol:
    protocol = ClientProtocol()
    protocol.receive_data(encode(WelcomeMessage.of(WELCOME)) + b"\n")
    return protocol


def test_a_dialogue_of_both_sides() -> None:
    client, server = ClientProtocol(), ServerProtocol()

    def to_server() -> list[object]:
        return [server.read(line) for line in server.receive_data(client.data_to_send())]

    client.hello(Hello("lab", "ann"))
    assert to_server() == [HelloMessage("ann")]
    assert (client.state, server.state) == (State.OPENING, State.OPENING)
    server.welcome(WELCOME)
    assert client.receive_data(server.data_to_send()) == [WelcomeMessage.of(WELCOME)]
    assert (client.state, server.state) == (State.SEATED, State.SEATED)
    client.send(Say("hi", 1))
    client.send(PingMessage(2))
    assert to_server() == [Say("hi", 1), PingMessage(2)]
    server.send(PongMessage(2))
    assert client.receive_data(encode_lines([EVENT]) + server.data_to_send()) == [EVENT, PongMessage(2)]
    client.leave()
    assert to_server() == [LeaveMessage()]
    assert (client.state, server.state) == (State.LEAVING, State.LEAVING)


STREAM = b"".join(
    encode(message) + b"\n" for message in (WelcomeMessage.of(WELCOME), EVENT, AckMessage(1, 17), EVENT)
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_slicing_gives_the_same_messages(cuts: list[int]) -> None:
    protocol = ClientProtocol()
    got = [
        message
        for begin, end in pairwise([0, *sorted(cuts), len(STREAM)])
        for message in protocol.receive_data(STREAM[begin:end])
    ]
    assert got == [WelcomeMessage.of(WELCOME), EVENT, AckMessage(1, 17), EVENT]


# --- the server's side ---------------------------------------------------------------------------


@pytest.mark.parametrize("message", [Say("hi"), MembersMessage(), PingMessage(), LeaveMessage()])
def test_before_the_hello_nothing_else_is_allowed(message: object) -> None:
    protocol = ServerProtocol()
    with pytest.raises(BadRequest, match="came before the hello; begin with a line like"):
        protocol.read(encode(message))
    assert protocol.state is State.OPENING


def test_a_second_hello_is_refused_and_changes_nothing() -> None:
    protocol = seated_server()
    with pytest.raises(BadRequest, match="has its seat already"):
        protocol.read(encode(HelloMessage("eve")))
    assert protocol.state is State.SEATED


@pytest.mark.parametrize("line", [b" ", b"\r", b"\t \r"])
@pytest.mark.parametrize("make", [ServerProtocol, seated_server])
def test_a_blank_line_is_ignored_in_every_state(make: type[ServerProtocol], line: bytes) -> None:
    assert make().read(line) is None


def test_a_line_that_is_not_understood_names_its_draft() -> None:
    with pytest.raises(BadRequest) as refused:
        seated_server().read(b'{"kind":"say","text":5,"n":3}')
    assert refused.value.n == 3


def test_the_last_words_are_an_error() -> None:
    protocol = seated_server()
    protocol.close(Closing("the server is going down"))
    assert protocol.state is State.CLOSING
    assert protocol.data_to_send() == encode(ErrorMessage.of(Closing("the server is going down"))) + b"\n"


def test_a_client_that_leaves_needs_no_reason() -> None:
    protocol = seated_server()
    protocol.read(encode(LeaveMessage()))
    protocol.close(Closing("the server is going down"))
    assert protocol.state is State.CLOSING
    assert protocol.data_to_send() == b""


# --- the client's side ---------------------------------------------------------------------------


@pytest.mark.parametrize("message", [EVENT, PongMessage(1), ErrorMessage.of(NotYours("no", n=3))])
def test_a_server_that_does_not_begin_with_a_welcome_speaks_something_else(message: object) -> None:
    with pytest.raises(BadRequest, match="not a welcome"):
        ClientProtocol().receive_data(encode(message) + b"\n")


def test_a_refused_hello_is_the_servers_last_word() -> None:
    protocol = ClientProtocol()
    protocol.receive_data(encode(ErrorMessage.of(NickTaken("taken"))) + b"\n")
    assert isinstance(protocol.reason, NickTaken)
    assert protocol.state is State.CLOSING


def test_the_refusal_of_a_draft_is_no_reason_to_end() -> None:
    protocol = seated_client()
    protocol.receive_data(encode(ErrorMessage.of(NotYours("not yours", n=3))) + b"\n")
    assert protocol.reason is None
    assert protocol.state is State.SEATED


def test_a_text_without_bytes_is_refused_and_nothing_is_sent() -> None:
    protocol = seated_client()
    with pytest.raises(BadText):
        protocol.send(Say("\ud800", 1))
    assert protocol.data_to_send() == b""
