"""Every decoder, on the real traffic of its technique."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from typing import NamedTuple

import pytest

from chat.domain.model import Hello, Welcome
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.interfaces.frames import MASK, Direction
from chat.interfaces.technique import Technique
from lab.wire.masking import shown_bytes, walk
from lab.wire.tap import Tap
from tests.support.captures import Piece, check_frames, decode, mutate, pieces, same, split
from tests.support.kit import Serving
from tests.support.people import Person

TOKEN = "a token that no frame may show"
TEXT = "täglich > \"quoted\" & 'more'"
MUTATIONS = int(os.environ.get("MUTATIONS", "300"))


class Talk(NamedTuple):
    """What was said through the tap, and captured."""

    capture: list[Piece]
    seq: int
    n: int
    welcome: Welcome


@pytest.fixture
def access() -> str:
    return TOKEN


@pytest.fixture
async def talk(
    technique: Technique, make_client: Callable[[Address], ChatClient], server: Serving
) -> AsyncIterator[Talk]:
    if find_spec(f"backends.{technique.name}.decoder") is None:
        pytest.skip(f"{technique.name} has no decoder yet")
    tap = await asyncio.to_thread(Tap)
    address = await asyncio.to_thread(tap.relay, server.address, technique.traits.transport)
    client = make_client(address)
    ann = Person(client, await client.connect(Hello("lab", "ann", access=TOKEN)))
    ann.listen()
    said = await ann.say(TEXT)
    await ann.edit(said.seq, "changed")
    await ann.delete(said.seq)
    await ann.until(lambda seen: any(event.kind == "deleted" for event in seen))
    await client.history(limit=10)
    await client.members()
    await client.ping()
    await client.close()
    await ann.stop()
    await asyncio.to_thread(tap.cut)
    yield Talk(pieces(tap.capture.take()), said.seq, said.n, ann.welcome)
    await asyncio.to_thread(tap.close)


async def test_everything_is_decoded(technique: Technique, talk: Talk) -> None:
    frames = decode(technique, talk.capture)
    check_frames(frames, talk.capture)
    assert [frame.problem for frame in frames if frame.problem] == []
    assert all(frame.summary for frame in frames if frame.data)


async def test_any_split_gives_the_same_frames(technique: Technique, talk: Talk) -> None:
    whole = decode(technique, talk.capture)
    same(decode(technique, split(talk.capture, None)), whole)
    for seed in range(5):
        same(decode(technique, split(talk.capture, random.Random(seed))), whole)


async def test_a_message_is_found_in_its_frames(technique: Technique, talk: Talk) -> None:
    frames = decode(technique, talk.capture)
    (up,) = [one for one in frames if TEXT in one.texts and one.direction is Direction.UP]
    assert talk.n in up.drafts
    assert up.role == "message"
    down = [one for one in frames if talk.seq in one.seqs and one.direction is Direction.DOWN]
    assert any(TEXT in one.texts for one in down)
    for frame in [up, *down]:
        assert frame.call is not None
        if TEXT in frame.texts:
            assert any(field.part == "payload" for field in walk(frame.root))


async def test_no_secret_is_shown(technique: Technique, talk: Talk) -> None:
    frames = decode(technique, talk.capture)
    secrets = [secret for secret in (TOKEN, talk.welcome.seat_key) if secret]
    on_the_wire = b"".join(piece.data for piece in talk.capture)
    for frame in frames:
        fields = list(walk(frame.root)) + (list(walk(frame.call)) if frame.call else [])
        texts = [frame.summary, *(field.value for field in fields)]
        for secret in secrets:
            assert not any(secret in text for text in texts)
            assert secret.encode() not in shown_bytes(frame)
        for field in fields:
            assert not field.secret or field.value in (MASK, ""), field.name
    if any(secret.encode() in on_the_wire for secret in secrets):
        assert any(field.secret for frame in frames for field in walk(frame.root))


async def test_strange_bytes_raise_nothing(technique: Technique, talk: Talk) -> None:
    rng = random.Random(technique.name)
    for _ in range(MUTATIONS):
        capture = mutate(talk.capture, rng)
        check_frames(decode(technique, capture), capture)


async def test_what_was_not_kept_is_said(technique: Technique, talk: Talk) -> None:
    decoder = technique.load_decoder()(talk.capture[0].transport)  # type: ignore[arg-type]
    first = next(piece for piece in talk.capture if len(piece.data) > 2)
    decoder.feed(first.direction, first.data[:1])
    left = decoder.skip(first.direction, 5)
    after = decoder.feed(first.direction, first.data[6:])
    if first.transport == "tcp":
        assert left[0].problem == "what follows was not kept"
        assert after[0].problem
