"""What is kept of a capture: bounded in memory, not only in bytes on the wire."""

from __future__ import annotations

import gzip
import tracemalloc

from backends.rest.decoder import make_decoder
from chat.interfaces.frames import Direction, raw_frame
from lab.wire.capture import Capture
from lab.wire.trace import FIELD_BYTES, Trace

LIMIT = 8 * 1024 * 1024
"""A third of what is kept for a user: under tracemalloc each of these frames takes half a second."""
VALUES = 15_000
REQUEST = b"GET /rooms/lab/events?after=1 HTTP/1.1\r\nHost: h\r\n\r\n"
PACKED = gzip.compress(b"[" + b"0," * (VALUES - 1) + b"0]")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n" + (
    b"Content-Length: %d\r\n\r\n" % len(PACKED) + PACKED
)


def test_few_bytes_with_many_fields_are_bounded_by_what_they_take_in_memory() -> None:
    capture = Capture()
    trace = Trace(capture, make_decoder, max_bytes=LIMIT)
    connection = capture.connection("tcp", "here", "there")
    tracemalloc.start()
    for _ in range(4):
        capture.add(connection, Direction.UP, REQUEST)
        capture.add(connection, Direction.DOWN, ANSWER)
    while trace.update() or trace.behind:
        pass
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(ANSWER) * 4 < 4_000
    assert trace.frames[-1].problem == ""
    assert len(trace.frames) <= 2 * (LIMIT / (VALUES * FIELD_BYTES) + 1)
    assert trace.gone
    assert held < 1.5 * LIMIT


def test_what_a_frame_is_about_is_its_message_and_not_the_whole_stream() -> None:
    trace = Trace(Capture(), make_decoder)
    said, other, event, page = (raw_frame(b"x") for _ in range(4))
    for frame in (said, other, event, page):
        frame.stream = "1"
    said.drafts, other.drafts, event.drafts, event.seqs = {1}, {2}, {1}, {7}
    page.seqs = set(range(1, 100))
    trace.frames.extend([said, other, event, page])
    assert trace.related(said) == [said, event]
    assert trace.related(event) == [said, event]
    assert trace.related(page) == [said, other, event, page]
