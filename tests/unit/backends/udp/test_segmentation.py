"""What the kernel sends by few calls is what a plain socket would send, and where it can't, that one does."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import backends.udp.server_socket
from backends.udp.codec import MAX_BODY, MAX_DATAGRAM
from backends.udp.many import MOST, send_many
from backends.udp.message_auth import DOWN, Authenticator, Verifier, derive, root_key
from backends.udp.packing import pack
from backends.udp.segmentation import MAX_SEGMENTS, align, is_supported, runs
from backends.udp.server_socket import Peername, ServerSocket, bind_datagrams
from chat.domain.json_codec import encode
from tests.unit.backends.udp.test_codec import TEXTS, event, events_in

LENGTHS = st.lists(st.integers(1, 5000) | st.just(1000), max_size=200)
BURST = (*(bytes([number]) * 1000 for number in range(20)), b"the last, shorter one")


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def family(request: pytest.FixtureRequest) -> socket.AddressFamily:
    return socket.AddressFamily(request.param)


@pytest.fixture
def receiver(family: socket.AddressFamily) -> Iterator[socket.socket]:
    with bind_datagrams(family, ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0)) as receiver:
        receiver.setblocking(True)
        receiver.settimeout(10)
        yield receiver


@pytest.fixture(params=["the kernel's segments", "plain"])
async def sender(
    request: pytest.FixtureRequest, receiver: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ServerSocket]:
    if request.param == "plain":
        monkeypatch.setattr(backends.udp.server_socket, "is_supported", lambda udp: False)
    elif not is_supported(receiver):
        pytest.skip("this kernel sends no segments")
    udp = bind_datagrams(receiver.family, (receiver.getsockname()[0], 0))
    sender = ServerSocket(udp, {}, Counter(), lambda data, address: None)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: sender, sock=udp)
    yield sender
    if udp.fileno() >= 0:
        await sender.close()


def receive(receiver: socket.socket, count: int) -> list[bytes]:
    return [receiver.recv(65536) for _ in range(count)]


# --- how they are cut ----------------------------------------------------------------------------


@given(LENGTHS)
def test_a_run_is_what_one_call_can_send(lengths: list[int]) -> None:
    datagrams = [bytes(length) for length in lengths]
    found = list(runs(datagrams))
    assert [datagram for run in found for datagram in run] == datagrams
    for first, *others in found:
        assert len(others) < MAX_SEGMENTS
        assert len(first) + sum(map(len, others)) <= MAX_DATAGRAM or not others
        assert all(len(other) == len(first) for other in others[:-1])
        assert all(len(other) <= len(first) for other in others)


@given(TEXTS)
def test_aligned_datagrams_say_the_same_and_are_hardly_longer(texts: list[str]) -> None:
    before = pack([event(seq, text) for seq, text in enumerate(texts, 1)])
    after = align(before)
    for was, now in zip(before, after, strict=True):
        assert events_in(now) == events_in(was)
        assert now.rstrip(b" ") == was
        assert len(now) <= max(len(was), min(MAX_BODY, 4 / 3 * len(was)))
    assert after[-1] == before[-1]


@pytest.mark.skipif(
    sys.platform != "linux", reason="only the kernel of Linux cuts runs, so nothing is aligned elsewhere"
)
def test_a_burst_of_usual_texts_is_one_run() -> None:
    """Of different lengths; the first ones are as long as a text from a keyboard."""
    datagrams = pack([event(seq, "x" * (seq * 37 % 90)) for seq in range(1, 101)])
    assert len(set(map(len, datagrams))) > 2
    assert len(list(runs(align(datagrams)))) == 1


def test_one_event_alone_is_not_changed() -> None:
    assert align(pack([event(1)])) == (encode(event(1)),)


# --- to one address ------------------------------------------------------------------------------


async def test_each_datagram_of_a_run_arrives_by_itself(
    sender: ServerSocket, receiver: socket.socket
) -> None:
    for run in runs(BURST):
        sender.send_run(run, receiver.getsockname())
    assert receive(receiver, len(BURST)) == list(BURST)
    assert not sender.counts


async def test_what_does_not_fit_into_the_buffer_together_is_sent_one_by_one(
    sender: ServerSocket, receiver: socket.socket
) -> None:
    sender.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least that the system gives
    for run in runs(BURST):
        sender.send_run(run, receiver.getsockname())
    assert receive(receiver, len(BURST)) == list(BURST)


async def test_every_datagram_that_was_not_sent_is_counted(
    sender: ServerSocket, receiver: socket.socket
) -> None:
    host, _, *rest = receiver.getsockname()
    (run,) = runs(BURST)
    sender.send_run(run, (host, 0, *rest))  # no datagram can be sent to this port
    assert sender.counts == {"unsent": len(BURST)}
    sender.send_run(run, receiver.getsockname())
    assert receive(receiver, len(BURST)) == list(BURST)


async def test_a_receiver_that_is_gone_disturbs_nobody(sender: ServerSocket, receiver: socket.socket) -> None:
    gone = bind_datagrams(receiver.family, (receiver.getsockname()[0], 0))
    nobody = gone.getsockname()
    gone.close()
    (run,) = runs(BURST)
    for _ in range(3):
        sender.send_run(run, nobody)
        sender.send_run(run, receiver.getsockname())
    assert receive(receiver, 3 * len(BURST)) == 3 * list(BURST)
    assert not sender.counts


async def test_with_a_token_each_datagram_has_its_trailer(
    sender: ServerSocket, receiver: socket.socket
) -> None:
    """The counter gets longer on the way, so the datagrams are not equally long any more."""
    key = derive(root_key("open sesame"), DOWN, "", "")
    for run in runs(map(Authenticator(key).protect, 6 * BURST)):
        sender.send_run(run, receiver.getsockname())
    verify = Verifier(key).verify
    assert [verify(datagram) for datagram in receive(receiver, 6 * len(BURST))] == list(6 * BURST)


# --- to many addresses ---------------------------------------------------------------------------


@pytest.fixture
def many(sender: ServerSocket) -> ServerSocket:
    if send_many(sender.socket) is None:
        pytest.skip("this system sends to one address by each call")
    return sender


async def send_to_all(sender: ServerSocket, addresses: list[Peername]) -> None:
    shared = tuple(runs(BURST))
    for address in addresses:
        name = sender.name(address)
        assert name is not None
        sender.share(shared, name, address)
    await asyncio.sleep(0)


async def test_everybody_gets_each_datagram(many: ServerSocket, receiver: socket.socket) -> None:
    """More than one call can take; the last one is somebody else."""
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # most of it is lost
    with bind_datagrams(receiver.family, (receiver.getsockname()[0], 0)) as other:
        other.settimeout(10)
        await send_to_all(many, [*MOST * [receiver.getsockname()], other.getsockname()])
        assert receive(other, len(BURST)) == list(BURST)
    assert receiver.recv(65536) == BURST[0]
    assert not many.counts


@pytest.mark.parametrize("place", range(3))
async def test_an_address_that_cannot_be_reached_stops_nobody(
    many: ServerSocket, receiver: socket.socket, place: int
) -> None:
    addresses = [receiver.getsockname(), receiver.getsockname()]
    host, _, *rest = receiver.getsockname()
    addresses.insert(place, (host, 0, *rest))
    await send_to_all(many, addresses)
    assert Counter(receive(receiver, 2 * len(BURST))) == Counter(2 * BURST)
    assert many.counts == {"unsent": len(BURST)}


async def test_a_full_buffer_is_met_as_by_a_plain_socket(many: ServerSocket, receiver: socket.socket) -> None:
    many.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    await send_to_all(many, 3 * [receiver.getsockname()])
    assert Counter(receive(receiver, 3 * len(BURST))) == Counter(3 * BURST)


async def test_after_the_end_nothing_is_sent(many: ServerSocket, receiver: socket.socket) -> None:
    await many.close()
    await send_to_all(many, [receiver.getsockname()])
    assert many.counts == {"unsent": len(BURST)}


async def test_what_is_sent_later_comes_later(many: ServerSocket, receiver: socket.socket) -> None:
    address = receiver.getsockname()
    name = many.name(address)
    assert name is not None
    first, second = tuple(runs(BURST)), tuple(runs(BURST[::-1]))
    many.share(first, name, address)
    many.share(second, name, address)
    many.send(b"the end", address)
    assert receive(receiver, 2 * len(BURST) + 1) == [*BURST, *BURST[::-1], b"the end"]
