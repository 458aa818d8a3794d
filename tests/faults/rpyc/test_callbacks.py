"""Callbacks on real sockets: slow ones, wrong ones, and those that take something else than keywords."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from rpyc.core import consts

import backends.rpyc.server
import chat.transport.stream
from backends.rpyc import codec
from backends.rpyc.callbacks import WINDOW
from backends.rpyc.codec import Raised, Request, Returned
from backends.rpyc.server import ACCEPT, RpycServer
from chat.domain.errors import Closing
from chat.interfaces.address import Address
from chat.interfaces.server import HIGH_WATER
from chat.server.fanout import PAGE_BYTES
from chat.transport.connection_state import State
from tests.support.rpyc_peer import RpycPeer, connection_of, reason, refusal

# --- callbacks that do not come back -------------------------------------------------------------


async def test_who_does_not_answer_to_a_callback_is_cut_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, peer: RpycPeer, bystander: RpycPeer
) -> None:
    monkeypatch.setattr(backends.rpyc.server, "CALLBACK_TIMEOUT", 0.2)
    monkeypatch.setattr(backends.rpyc.server, "PING_EVERY", 0.05)
    peer.answer = peer.ignore
    await peer.enter("eve")
    ending = asyncio.create_task(reason(peer))
    while not ending.done():
        assert isinstance(await bystander.call("send", "and on we go"), Returned)
    assert ending.result() == "slow_reader"


async def test_who_does_not_answer_to_a_ping_is_cut(
    monkeypatch: pytest.MonkeyPatch, peer: RpycPeer, bystander: RpycPeer
) -> None:
    monkeypatch.setattr(backends.rpyc.server, "CALLBACK_TIMEOUT", 0.2)
    monkeypatch.setattr(backends.rpyc.server, "PING_EVERY", 0.05)

    def all_but_pings(request: Request) -> bytes | None:
        return None if request.handler == consts.HANDLE_PING else peer.take(request)

    peer.answer = all_but_pings
    await peer.enter("eve")
    ending = asyncio.create_task(reason(peer))
    while not ending.done():
        await bystander.call("members")
    assert ending.result() == "slow_reader"


async def test_an_answer_keeps_a_client_that_has_nothing_to_hear(
    monkeypatch: pytest.MonkeyPatch, peer: RpycPeer
) -> None:
    monkeypatch.setattr(backends.rpyc.server, "PING_EVERY", 0.01)
    await peer.enter("eve")
    while [request.handler for request in peer.requests].count(consts.HANDLE_PING) < 5:
        await peer.message()


@pytest.mark.parametrize("name", ["ValueError", "NoClass", "x\x1b[2J" * 50])
async def test_a_callback_that_raises_ends_its_connection_with_the_reason(peer: RpycPeer, name: str) -> None:
    def raises(request: Request) -> bytes:
        peer.take(request)
        return codec.raised(request.number, "builtins", name, "")

    peer.answer = raises
    await peer.enter("eve")
    while not (peer.callbacks and peer.callbacks[-1]["kind"] == "error"):
        await peer.message()
    text = peer.callbacks[-1]["text"]
    assert peer.callbacks[-1]["code"] == "bad_request"
    await peer.begin_call("members")
    await peer.end()
    assert name[:10].replace("\x1b", "\\u001b")[:5] in text
    assert text.isprintable()
    assert len(text) < 300


async def test_at_most_a_window_of_callbacks_is_under_way(peer: RpycPeer, bystander: RpycPeer) -> None:
    await peer.enter("eve")
    await peer.hears(kind="joined", author="eve")
    before = len(peer.callbacks)
    peer.answer = peer.ignore
    for number in range(WINDOW + 50):
        assert isinstance(await bystander.call("send", f"m{number}"), Returned)
    await peer.answer_to(await peer.begin(consts.HANDLE_PING, ""))
    assert len(peer.callbacks) == before + WINDOW
    for request in peer.requests[before:]:
        await peer.send(codec.returned(request.number, None))
    peer.answer = peer.take
    await peer.hears(text=f"m{WINDOW + 49}")
    texts = [event["text"] for event in peer.callbacks if event["kind"] == "sent"]
    assert texts == [f"m{number}" for number in range(WINDOW + 50)]


async def test_what_waits_for_one_that_never_answers_is_bounded_until_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, server: RpycServer, peer: RpycPeer, bystander: RpycPeer
) -> None:
    monkeypatch.setattr(chat.transport.stream, "LINGER", 0.2)
    peer.answer = peer.ignore
    await peer.enter("eve")
    eve, most = connection_of(server, "eve"), 0
    while eve.state is State.SEATED:
        assert isinstance(await bystander.call("send", 3900 * "x"), Returned)
        most = max(most, eve.buffered())
    assert HIGH_WATER < most <= HIGH_WATER + 2 * PAGE_BYTES
    assert await reason(peer) == "slow_reader"


# --- callbacks that take something else ----------------------------------------------------------


def one_argument(peer: RpycPeer, text: str) -> Callable[[Request], bytes]:
    """Return the answers of a callback that takes one argument, and raises TypeError if it gets keywords."""

    def answer(request: Request) -> bytes:
        if request.handler == consts.HANDLE_CALL:
            _, args, keywords = request.args
            if keywords or len(args) != 1:
                return codec.raised(request.number, "builtins", "TypeError", text)
            peer.callbacks.append(dict(args[0]))
        return codec.returned(request.number, None)

    return answer


@pytest.mark.parametrize(
    "text",
    [
        "list.append() takes no keyword arguments",
        "'kind' is an invalid keyword argument for print()",
        "on_event() missing 1 required positional argument: 'event'",
    ],
)
async def test_a_callback_that_takes_no_keywords_gets_each_event_once_in_one_argument(
    peer: RpycPeer, bystander: RpycPeer, address: Address, text: str
) -> None:
    peer.answer = one_argument(peer, text)
    welcome = await peer.enter("eve")
    for number in range(100):
        assert isinstance(await bystander.call("send", f"m{number}"), Returned)
    await peer.hears(text="m99")
    prevs = [event["prev"] for event in peer.callbacks]
    assert prevs == [0, *(event["seq"] for event in peer.callbacks[:-1])]
    calls = [request for request in peer.requests if request.handler == consts.HANDLE_CALL]
    assert len(calls) == len(peer.callbacks) + 1, "only the first event is tried with keywords"
    async with await RpycPeer.open(address) as again:
        await again.enter("eve", seat_key=welcome["seat_key"])
        assert await reason(peer) == "seat_taken"


def raising(peer: RpycPeer, name: str, text: str) -> Callable[[Request], bytes]:
    """Return the answers of a callback that always raises; it keeps what it gets."""

    def answer(request: Request) -> bytes:
        _, args, keywords = request.args
        peer.callbacks.append(dict(args[0] if args else keywords))
        return codec.raised(request.number, "builtins", name, text)

    return answer


async def closing_reason(peer: RpycPeer) -> None:
    """Wait for the callback that says why the connection ends."""
    await peer.hears(kind="error")


@pytest.mark.parametrize(
    ("text", "tries"),
    [
        ("f() takes 0 positional arguments but 1 was given", 2),
        ('can only concatenate str (not "int") to str', 1),
    ],
    ids=["takes nothing", "is wrong itself, and is not tried in another way"],
)
async def test_the_next_call_gets_the_reason_that_the_callback_could_not_take(
    peer: RpycPeer, text: str, tries: int
) -> None:
    peer.answer = raising(peer, "TypeError", text)
    await peer.enter("eve")
    await closing_reason(peer)
    assert await refusal(peer, "send", "hello") == f"your callback raised TypeError: {text}; {ACCEPT}"
    await peer.end()
    assert [event["kind"] for event in peer.callbacks].count("opened") == tries


async def test_who_makes_no_next_call_is_cut(monkeypatch: pytest.MonkeyPatch, peer: RpycPeer) -> None:
    monkeypatch.setattr(backends.rpyc.server, "CALLBACK_TIMEOUT", 0.05)
    peer.answer = raising(peer, "ValueError", "")
    await peer.enter("eve")
    await peer.end()


async def test_who_is_waited_for_is_hung_up_when_the_server_stops(
    monkeypatch: pytest.MonkeyPatch, server: RpycServer, peer: RpycPeer, bystander: RpycPeer
) -> None:
    monkeypatch.setattr(backends.rpyc.server, "CALLBACK_TIMEOUT", 1e6)
    peer.answer = raising(peer, "ValueError", "")
    await peer.enter("eve")
    eve = connection_of(server, "eve")
    await closing_reason(peer)
    while not eve._stays:
        await bystander.call("members")
    eve.close(Closing("the server is going down"))
    await peer.end()


async def test_a_call_that_comes_while_the_connection_ends_gets_the_reason(
    server: RpycServer, peer: RpycPeer
) -> None:
    await peer.enter("eve")
    await peer.hears(kind="joined", author="eve")
    number = await peer.begin_call("send", "too late")
    connection_of(server, "eve").close(Closing("the server is going down"))
    answer = await peer.answer_to(number)
    assert isinstance(answer, Raised)
    assert (answer.name, answer.text) == ("Closing", "the server is going down")
