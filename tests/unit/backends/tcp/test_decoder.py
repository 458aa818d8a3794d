"""The decoder of lines: JSON objects, what is no line of ours, and what must not be shown of it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from backends.tcp.decoder import make_decoder
from chat.domain.json_depth import MAX_DEPTH
from chat.interfaces.frames import Direction, Frame
from chat.transport.decoding.stream import MAX_FRAME
from lab.wire.masking import shown_bytes
from tests.support.captures import Piece, check_frames
from tests.support.json_judge import check_values

UP, DOWN = Direction
PAGE = (Path(__file__).parents[4] / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^\w+ [<>] (\{\"kind\".*\})$", PAGE, re.MULTILINE)
PING = b'{"kind":"ping","ref":1}\n'
HELLO = b'{"kind":"hello","nick":"ann","access":"open sesame","seat_key":"anns-seat-key-22-chars"}\n'


def decode(*pieces: bytes) -> list[Frame]:
    """Return the frames of one direction, after a check of all fields."""
    decoder = make_decoder("tcp")
    frames = [frame for data in pieces for frame in decoder.feed(UP, data)] + decoder.end(UP)
    check_frames(frames, [Piece(0, "tcp", UP, data) for data in pieces])
    return frames


def test_every_value_of_the_examples_is_where_msgspec_finds_it() -> None:
    assert len(EXAMPLES) > 20
    for text in EXAMPLES:
        (frame,) = decode(text.encode() + b"\r\n")
        assert not frame.problem
        check_values(frame.data, frame.root.fields[0], msgspec.json.decode(text))
        assert frame.root.fields[1].value == "\\r\\n"


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\n",
        b"\xff\xfe\n",
        b'{"kind":\n',
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"\n",
    ],
)
def test_a_line_that_is_no_message_loses_only_itself(line: bytes) -> None:
    bad, good = decode(line + PING)
    assert (bad.role, bad.data, good.kind) == ("raw", line, "ping")
    assert bad.problem


def test_a_line_without_an_end_is_given_up() -> None:
    lost, rest, ping = decode(b" " * (MAX_FRAME + 1), b"more\n", PING)
    assert lost.problem == f"a frame of more than {MAX_FRAME} bytes"
    assert rest.problem == lost.problem
    assert ping.kind == "ping"


@pytest.mark.parametrize("cut", range(len(HELLO) - 50, len(HELLO)))
def test_secrets_are_masked_in_a_line_that_is_cut_off(cut: int) -> None:
    (frame,) = decode(HELLO[:cut])
    assert frame.problem == "cut off by the end of the connection"
    shown = shown_bytes(frame)
    assert b"sesame" not in shown
    assert b"anns-seat" not in shown
    assert b'"nick":"ann"' in shown


@pytest.mark.parametrize("cut", range(35, len(HELLO) - 1))
def test_secrets_are_masked_where_bytes_before_them_were_not_kept(cut: int) -> None:
    decoder = make_decoder("tcp")
    (rest,) = decoder.feed(UP, HELLO[:5]) or decoder.skip(UP, cut - 5)
    lost, ping = decoder.feed(UP, HELLO[cut:] + PING)
    assert rest.data == HELLO[:5]
    assert (lost.role, ping.kind) == ("raw", "ping")
    for secret in (b"open sesame", b"anns-seat-key-22-chars"):
        place = HELLO.index(secret) - cut
        shown = shown_bytes(lost)[max(0, place) : max(0, place + len(secret))]
        assert not shown.strip(b"*")


def test_secrets_are_masked_in_pieces_of_a_line_that_is_given_up() -> None:
    begin = b'{"kind":"hello","nick":"' + b"x" * MAX_FRAME + b'","acc'
    frames = decode(begin, b'ess":"open ses', b'ame","n":1}\n', PING)
    shown = b"".join(map(shown_bytes, frames))
    assert b"open" not in shown
    assert b"ame" not in shown[-60:]
    assert frames[-1].kind == "ping"
