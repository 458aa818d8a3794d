"""A session whose wire is looked at while people talk: nothing is lost, and nothing doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import trustme

import backends
from chat.client.connect import Place, open_session
from chat.client.session import Session
from chat.client.session_events import Arrived
from chat.domain.model import Hello, Limits
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.interfaces.frames import Direction
from chat.interfaces.server import ServerOptions
from chat.interfaces.technique import Technique
from chat.interfaces.tls import Identity, Trust
from chat.server.hub import Hub
from lab.wire.trace import Trace
from lab.wire.wiretap import Wiretap
from tests.support.behind_tap import eventually
from tests.support.kit import QUICK, Connect, Serving
from tests.support.people import Person

EACH = 6
"""Messages before, while and after the wire is looked at."""
HOST = "127.0.0.1"


@pytest.fixture
def limits() -> Limits:
    return Limits(rate=1000.0, burst=1000)


@pytest.fixture
def settings(technique: Technique) -> dict[str, str]:
    if find_spec(technique.decoder.partition(":")[0]) is None:
        pytest.skip(f"{technique.name} has no decoder yet")
    known = {setting.name for setting in technique.settings}
    return {name: value for name, value in QUICK.settings.items() if name in known}


def of(condition: Callable[[Technique], object]) -> list[str]:
    return [label.name for label in backends.techniques() if condition(label)]


class Talk:
    """Ann's session, and the texts that came."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.heard: list[str] = []
        self.said: list[str] = []

    async def listen(self) -> None:
        async for batch in self.session.updates():
            for update in batch:
                if isinstance(update, Arrived) and update.event.kind == "sent":
                    self.heard.append(update.event.text)

    def say(self, count: int = EACH) -> None:
        for _ in range(count):
            self.said.append(f"message {len(self.said)}")
            self.session.say(self.said[-1])

    async def up(self) -> None:
        await eventually(lambda: self.session.connected)


@asynccontextmanager
async def talking(
    place: Place, technique: Technique, tap: Wiretap, settings: dict[str, str]
) -> AsyncIterator[Talk]:
    session = open_session(place, technique, "lab", "ann", settings=settings, give_up=20.0, detour=tap.detour)
    talk = Talk(session)
    async with session:
        pump = asyncio.create_task(talk.listen())
        await talk.up()
        yield talk
    await pump


def where(addresses: Sequence[Address]) -> str:
    return ",".join(one.url or str(one) for one in addresses)


def decode(trace: Trace) -> None:
    """Decode all that was captured."""
    trace.update()
    while trace.behind or trace.capture.waiting:
        trace.update()


async def look_and_look_away(
    talk: Talk, tap: Wiretap, hears: Callable[[], list[str]], technique: Technique
) -> None:
    """Talk without the tap, through it and without it, and change the way while messages are under way."""
    talk.say()
    await tap.start()
    trace = tap.trace
    assert trace is not None
    talk.session.redial()
    talk.say()
    await talk.up()
    talk.say(1)
    through = talk.said[-1]
    await eventually(lambda: through in hears() and through in talk.heard)
    decode(trace)
    (up,) = [one for one in trace.frames if through in one.texts and one.direction is Direction.UP]
    assert up.role == "message"
    assert [one.problem for one in trace.frames if one.problem] == []
    talk.say()
    tap.leave()
    talk.session.redial()
    talk.say()
    await talk.up()
    await tap.close()
    talk.say(1)
    past = talk.said[-1]
    await eventually(lambda: past in hears() and past in talk.heard)
    if technique.traits.resend and technique.traits.lossless:
        await eventually(lambda: len(hears()) >= len(talk.said) <= len(talk.heard))
        assert hears() == talk.said
        assert talk.heard == talk.said
    assert len(set(hears())) == len(hears())
    assert len(set(talk.heard)) == len(talk.heard)
    decode(trace)
    assert not any(past in one.texts for one in trace.frames), "nobody looks any more"
    assert all(one.closed is not None for one in trace.connections.values())


async def test_looking_at_the_wire_loses_and_doubles_nothing(
    technique: Technique, server: Serving, connect: Connect, settings: dict[str, str], state_dir: Path
) -> None:
    bob = Person(*await connect("bob"))
    bob.listen()
    tap = Wiretap(technique, settings, state_dir)
    place = Place(where([server.address]), state_dir, spawn=False)
    async with talking(place, technique, tap, settings) as talk:
        await look_and_look_away(talk, tap, lambda: bob.texts, technique)
    await tap.stop()
    await bob.stop()


@pytest.mark.parametrize("access", ["a token"])
async def test_it_may_be_looked_at_from_the_first_byte_on(
    technique: Technique, server: Serving, settings: dict[str, str], state_dir: Path, access: str
) -> None:
    tap = Wiretap(technique, settings, state_dir)
    await tap.start()
    assert tap.trace is not None
    place = Place(where([server.address]), state_dir, spawn=False, access=access)
    async with talking(place, technique, tap, settings) as talk:
        talk.say()
        await eventually(lambda: talk.heard == talk.said)
        decode(tap.trace)
    await tap.stop()
    assert tap.trace.frames[0].kind == "opened"
    said = {text for one in tap.trace.frames if one.direction is Direction.UP for text in one.texts}
    assert said >= set(talk.said)


# --- TLS ---------------------------------------------------------------------------------------


def identity_and_trust(folder: Path) -> tuple[Identity, Trust]:
    authority = trustme.CA()
    issued = authority.issue_cert(HOST)
    certificate, key, file = (folder / name for name in ("server.pem", "server.key", "authority.pem"))
    key.write_bytes(issued.private_key_pem.bytes())
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    file.write_bytes(authority.cert_pem.bytes())
    return Identity.load(certificate, key), Trust.load(file)


@pytest.mark.parametrize("technique", of(lambda label: label.tls and label.server), indirect=True)
async def test_with_tls_the_wire_can_be_looked_at_too(
    technique: Technique, hub: Hub, settings: dict[str, str], state_dir: Path, tmp_path: Path
) -> None:
    identity, trust = await asyncio.to_thread(identity_and_trust, tmp_path)
    server = technique.load_server()(hub, Address(HOST, 0), ServerOptions(identity))
    address = await server.start()
    client = technique.load_client()(address, ClientOptions(trust=trust, settings=settings))
    bob = Person(client, await client.connect(Hello("lab", "bob")))
    bob.listen()
    tap = Wiretap(technique, settings, state_dir)
    place = Place(where([address]), state_dir, spawn=False, trust=trust)
    async with talking(place, technique, tap, settings) as talk:
        await look_and_look_away(talk, tap, lambda: bob.texts, technique)
        assert tap.encrypted
        assert tap.trace is not None
        assert all(one.encrypted for one in tap.trace.connections.values())
    await tap.stop()
    await client.close()
    await bob.stop()
    await server.stop()


# --- several servers ---------------------------------------------------------------------------


@pytest.mark.parametrize("technique", of(lambda label: label.several), indirect=True)
async def test_of_several_servers_each_is_behind_the_tap(
    technique: Technique,
    hub: Hub,
    server: Serving,
    connect: Connect,
    settings: dict[str, str],
    state_dir: Path,
) -> None:
    second = technique.load_server()(hub, Address(HOST, 0))
    addresses = [server.address, await second.start()]
    tap = Wiretap(technique, settings, state_dir)
    await tap.start()
    assert tap.trace is not None
    place = Place(where(addresses), state_dir, spawn=False)
    async with talking(place, technique, tap, settings) as talk:
        talk.say()
        await eventually(lambda: talk.heard == talk.said)
        decode(tap.trace)
        carried = {one.connection for one in tap.trace.frames if one.texts}
        (used,) = {tap.trace.connections[number].server for number in carried}
        gone, left = (server.server, addresses[1]) if used == str(addresses[0]) else (second, addresses[0])
        await gone.stop()
        await talk.up()
        talk.say()
        await eventually(lambda: talk.heard == talk.said)
        decode(tap.trace)
        assert any(one.server == str(left) for one in tap.trace.connections.values())
    await tap.stop()
    await second.stop()
