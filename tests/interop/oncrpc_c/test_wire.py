"""What C says on the wire, decoded: rpcgen's stubs and libtirpc have written every byte of it."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from backends import technique
from chat.interfaces.address import Address
from chat.interfaces.frames import Direction, Frame
from lab.wire.masking import walk
from lab.wire.tap import Tap
from tests.support.captures import check_frames, decode, pieces, same, split
from tests.support.foreign import SPOKEN, Launch, id_of
from tests.support.people import Person


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_their_client_is_decoded(
    transport: Literal["tcp", "udp"], launch: Launch, oncrpc: Address, ann: Person
) -> None:
    tap = await asyncio.to_thread(Tap)
    here = await asyncio.to_thread(tap.relay, oncrpc, transport)
    options = ["-u"] if transport == "udp" else []
    bob = await launch("chat-client", *options, here.host, here.port, "bob")
    seqs = {}
    for text in SPOKEN:
        bob.type(text)
        seqs[text] = id_of(await bob.until(f": {text}"))
    said = await ann.say("and from ann")
    await bob.until(": and from ann")
    assert await bob.over() == (0, [])
    capture = pieces(tap.capture.take())
    await asyncio.to_thread(tap.close)

    label = technique("oncrpc")
    frames = decode(label, capture)
    check_frames(frames, capture)
    same(decode(label, split(capture, None)), frames)
    assert [frame.problem for frame in frames if frame.problem] == []
    for text, seq in seqs.items():
        sent = next(one for one in frames if text in one.texts and one.direction is Direction.UP)
        assert "".join(payload(sent)) == text
        answers = [frame for frame in frames if frame.stream == sent.stream and frame.answer]
        assert any(seq in frame.seqs and frame.drafts == sent.drafts for frame in answers)
    assert any(said.seq in frame.seqs and "and from ann" in frame.texts for frame in frames)
    assert {frame.call.name for frame in frames if frame.call} >= {"JOIN", "SEND", "FETCH", "LEAVE"}


def payload(frame: Frame) -> list[str]:
    """Return the bytes of what a person wrote, as text."""
    spans = [field.span for field in walk(frame.root) if field.part == "payload"]
    return [frame.data[slice(*span)].decode() for span in spans if span is not None]
