"""The framing of the tcp backend: whatever pieces the bytes come in, the lines are the same."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.tcp.codec import MAX_LINE, LineReader
from chat.domain.errors import BadRequest

LIMIT = 8


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)), st.data())
def test_any_slicing_gives_the_same_lines(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = data.draw(st.lists(st.integers(0, len(stream))).map(sorted))
    reader = LineReader()
    got = [line for a, b in pairwise([0, *cuts, len(stream)]) for line in reader.feed(stream[a:b])]
    assert got == [line for line in lines if line not in (b"", b"\r")]


@given(st.binary(max_size=40), st.lists(st.integers(1, 40)))
def test_a_line_over_the_limit_is_refused_however_it_comes(stream: bytes, cuts: list[int]) -> None:
    too_long = max(map(len, stream.split(b"\n"))) > LIMIT
    reader, refused = LineReader(LIMIT), False
    try:
        for a, b in pairwise([0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]):
            reader.feed(stream[a:b])
    except BadRequest:
        refused = True
    assert refused == too_long


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_empty_lines_become_no_objects(end: bytes) -> None:
    """They are taken out while the bytes are one piece: ten thousand take no more memory than their bytes."""
    data = b"x" + end * 10_000 + b"y" + end
    reader = LineReader()
    tracemalloc.start()
    lines = reader.feed(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lines == [b"x" + end[:-1], b"y" + end[:-1]]
    assert peak < 2 * len(data)


def test_a_line_of_just_the_limit_passes() -> None:
    assert LineReader(LIMIT).feed(b"x" * LIMIT + b"\n") == [b"x" * LIMIT]


def test_half_a_line_is_kept_until_the_rest_comes() -> None:
    reader = LineReader()
    assert reader.feed(b'{"kind":') == []
    assert reader.feed(b'"ping"}\n{') == [b'{"kind":"ping"}']


def test_a_refused_line_is_not_kept() -> None:
    reader = LineReader()
    with pytest.raises(BadRequest, match=str(MAX_LINE)):
        reader.feed(b"x" * (MAX_LINE + 1))
    assert reader._rest == b""
