"""The bounds of the RPyC server: the smallest input beyond each of them is refused, and nobody else notices.

Whatever is not exposed is refused too: the server offers seven methods and eight kinds of requests, and an
object of the client's is a name to it and nothing else.
"""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import AsyncIterator, Callable

import pytest
from rpyc.core import brine, consts

import backends
from backends.rpyc import codec
from backends.rpyc.codec import HEADER, MAX_FRAME, MAX_ID, MAX_NAME, Local, Raised, Remote, Request, Returned
from backends.rpyc.service import METHODS
from chat.interfaces.technique import Technique
from tests.support.kit import Connect, Serving
from tests.support.people import Person
from tests.support.rpyc_peer import FUNCTION, RpycPeer

THING = Local(("test.Thing", 1, 99))
"""An object of the client's, where a value is expected."""


@pytest.fixture
def technique() -> Technique:
    return backends.technique("rpyc")


@pytest.fixture
async def peer(server: Serving) -> AsyncIterator[RpycPeer]:
    async with await RpycPeer.open(server.address) as peer:
        yield peer


@pytest.fixture(autouse=True)
async def bystander(connect: Connect) -> AsyncIterator[Person]:
    """Somebody in the room, who can talk after the test and has lost nothing."""
    bystander = Person(*await connect("bystander"))
    bystander.listen()
    yield bystander
    said = await bystander.say("all quiet")
    await bystander.knows(said.seq)
    await bystander.client.close()
    await bystander.stop()


async def refused(peer: RpycPeer, handler: int, *args: object) -> Raised:
    answer = await peer.ask(handler, *args)
    assert isinstance(answer, Raised), answer
    return answer


# --- frames --------------------------------------------------------------------------------------


def padded(size: int) -> bytes:
    """Return a ping of just this many bytes, without its frame."""
    head = len(codec.frame(b"")) - len(codec.FLUSHER)
    for text in range(size - 40, size):
        message = codec.request(1, consts.HANDLE_PING, (text * "x",)).removesuffix(codec.FLUSHER)[head:]
        if len(message) == size:
            return message
    raise AssertionError(size)


def deflated(message: bytes) -> bytes:
    small = zlib.compress(message)
    head: bytes = HEADER.pack(len(small), 1)
    return head + small + codec.FLUSHER


@pytest.mark.parametrize("pack", [codec.frame, deflated], ids=["on the wire", "inflated"])
async def test_a_frame_may_have_just_so_many_bytes(peer: RpycPeer, pack: Callable[[bytes], bytes]) -> None:
    await peer.send(pack(padded(MAX_FRAME)))
    assert isinstance(await peer.answer_to(1), Returned)
    await peer.send(pack(padded(MAX_FRAME + 1)))
    assert await peer.end() == []


async def test_a_frame_that_claims_a_byte_too_many_is_not_waited_for(peer: RpycPeer) -> None:
    await peer.enter("eve")
    await peer.send(HEADER.pack(MAX_FRAME + 1, 0))
    last = (await peer.end())[-1]
    assert (last["kind"], last["code"]) == ("error", "bad_request")
    assert str(MAX_FRAME) in last["text"]


@pytest.mark.parametrize(
    "name",
    [("x" * (MAX_NAME + 1), 1, 1), ("x", MAX_ID, 1), ("x", 1, -MAX_ID)],
    ids=["name", "class", "id"],
)
async def test_the_name_of_an_object_is_bounded(peer: RpycPeer, name: codec.Name) -> None:
    await peer.send(codec.request(1, consts.HANDLE_INSPECT, (Remote(name),)))
    assert await peer.end() == []


# --- what is exposed -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
async def test_what_the_contract_names_is_there(peer: RpycPeer, method: str) -> None:
    root = await peer.value(consts.HANDLE_GETROOT)
    assert isinstance(await peer.value(consts.HANDLE_GETATTR, root, method), Remote | Local)


@pytest.mark.parametrize(
    "name", ["kick", "", "Send", "_send", "__doc__", "exposed_kick", "exposed_exposed_edit"]
)
async def test_another_name_is_an_attribute_error(peer: RpycPeer, name: str) -> None:
    root = await peer.value(consts.HANDLE_GETROOT)
    assert (await refused(peer, consts.HANDLE_GETATTR, root, name)).name == "AttributeError"
    assert (await refused(peer, consts.HANDLE_CALLATTR, root, name, (), ())).name == "AttributeError"
    await peer.enter("eve")


@pytest.mark.parametrize("handler", [0, *range(5, 7), *range(9, 15), *range(17, 22)])
async def test_another_kind_of_request_is_refused(peer: RpycPeer, handler: int) -> None:
    root = await peer.value(consts.HANDLE_GETROOT)
    assert "is not supported" in (await refused(peer, handler, root)).text
    await peer.enter("eve")


async def test_only_a_method_can_be_called(peer: RpycPeer) -> None:
    root = await peer.value(consts.HANDLE_GETROOT)
    for target in (root, THING, FUNCTION, "send", 5):
        assert "only the methods" in (await refused(peer, consts.HANDLE_CALL, target, ())).text


# --- objects are names ---------------------------------------------------------------------------


async def test_an_object_is_no_text_and_its_owner_is_not_asked_about_it(peer: RpycPeer) -> None:
    await peer.enter("eve")
    for method, *args in (("send", THING), ("edit", 1, THING), ("delete", THING), ("history", THING)):
        answer = await peer.call(method, *args)
        assert isinstance(answer, Raised)
        assert answer.name == "BadRequest"
    assert {request.handler for request in peer.requests} == {consts.HANDLE_CALL}, (
        "callbacks, and nothing else"
    )


async def test_before_the_login_the_server_asks_nothing(peer: RpycPeer) -> None:
    answer = await peer.call("login", THING, "lab", FUNCTION)
    assert isinstance(answer, Raised)
    assert peer.requests == []


async def test_what_is_returned_is_a_value_and_no_object(peer: RpycPeer) -> None:
    def values(value: object) -> bool:
        return type(value) in (str, int, float, bool, type(None)) or (
            type(value) is tuple and all(map(values, value))
        )

    welcome = await peer.call("login", "eve", "lab", FUNCTION)
    for answer in (welcome, await peer.call("members"), await peer.call("history")):
        assert isinstance(answer, Returned)
        assert values(answer.value)


# --- what it costs and what it tells -------------------------------------------------------------


async def test_a_silent_connection_costs_no_thread(server: Serving) -> None:
    before = threading.active_count()
    silent = [await RpycPeer.open(server.address) for _ in range(20)]
    await silent[-1].ask(consts.HANDLE_PING, "")  # the last is served after all others were accepted
    assert threading.active_count() == before
    for peer in silent:
        peer.writer.transport.abort()


async def test_a_refusal_carries_no_traceback(peer: RpycPeer) -> None:
    await peer.enter("eve")
    root = Remote(peer.root)
    await peer.send(codec.request(50, consts.HANDLE_CALLATTR, (root, "send", (5,), ())))
    while True:
        data = await peer.reader.read(65536)
        for message in peer._framer.feed(data):
            number, content = brine.load(message[1:])
            if message[0] == consts.MSG_EXCEPTION and number == 50:
                _, args, _, traceback = content
                assert "Expected `str`" in args[0]
                assert traceback == ""
                return


async def test_one_that_does_not_read_holds_up_nobody(peer: RpycPeer, bystander: Person) -> None:
    await peer.enter("deaf")
    peer.stop_reading()
    outcomes = await asyncio.gather(*(bystander.say(f"m{number}") for number in range(10)))
    await bystander.knows(outcomes[-1].seq)


async def test_a_request_of_the_clients_is_answered_while_callbacks_have_no_answer(peer: RpycPeer) -> None:
    peer.answer = peer.ignore
    await peer.enter("eve")
    assert await peer.ask(consts.HANDLE_PING, "still there") == Returned(peer._number, "still there")
    assert any(isinstance(request, Request) for request in peer.requests)
