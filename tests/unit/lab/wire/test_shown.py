"""What is made of frames for people: nothing of a peer's gets out as markup or as a control character."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

import backends
from chat.domain.errors import BadRequest, ChatError
from chat.interfaces.frames import MASK, Field, Frame, raw_frame
from lab.wire import json_lines
from lab.wire.capture import Capture
from lab.wire.compare import Sample, compare
from lab.wire.export import FORMATS, export
from lab.wire.ladder import as_mermaid, as_svg, as_text, ladder
from lab.wire.levels import LEVELS, lines, part_of_each_byte, rows, sizes
from lab.wire.masking import owner, shown_bytes
from lab.wire.receipt import receipt
from lab.wire.table import Table, parse_filter
from lab.wire.totals import carries_nothing, summary
from lab.wire.trace import Trace
from tests.support.frames import DOWN, connection, frame, stream

EVIL = "\x1b[2J\x9b\x07\u202egnp\u2066 <b>&\"'#;</text>\n\r\t[red]"
"""A terminal's, a bidi's, XML's, Mermaid's and a markup's characters."""


def trace_of(*frames: Frame) -> Trace:
    trace = Trace(Capture(), backends.technique("tcp").load_decoder())
    trace.connections[1] = connection()
    for one in stream(*frames):
        trace._keep(one)
    return trace


def clean(*texts: str) -> None:
    """Fail if a terminal would obey one of the texts, or show it in another order."""
    for text in texts:
        assert not set(text) & set("\x1b\x9b\x07\u202e\u2066\r\t\x00"), text


def evil() -> Frame:
    called = Field("say", "", fields=[Field("text", "said")])
    return frame(
        b"xxx", Field("text", "said", (1, 3), "payload"), texts=[EVIL], summary="said", call=called, seqs={7}
    )


def test_the_ladder_shows_no_control_character_and_no_markup() -> None:
    frames = stream(evil(), frame(b"ok", direction=DOWN, texts=[EVIL]))
    for logical in (False, True):
        diagram = ladder(frames, {1: connection()})
        clean(*as_text(diagram, 200, logical=logical))
        mermaid = as_mermaid(diagram, logical=logical)
        clean(mermaid)
        assert mermaid.count("\n") == 1 + 2 + 2, "a line each, whatever is in the texts"
        assert not set('<>"') & set(mermaid.replace("->>", "").replace("-->>", ""))
        svg = as_svg(diagram, logical=logical)
        clean(svg)
        texts = [element.text for element in etree.fromstring(svg.encode()).iter("{*}text")]
        assert any("<b>&\"'#;</text>" in (text or "") for text in texts), "as text, not as elements"


def test_levels_show_no_control_character() -> None:
    for level in LEVELS:
        shown = lines(evil(), [evil()], level)
        clean(*(f"{line.name}{line.value.replace(chr(9), '')}" for line in shown))


def test_a_comparison_shows_no_control_character_and_keeps_its_lines() -> None:
    found = receipt(trace_of(evil()), "x", 7)
    assert found is not None
    sample = Sample("tcp", (evil(),), found)
    for pair in compare(sample, sample):
        clean(pair.left, pair.right)
        assert "\n" not in pair.left + pair.right


def test_a_json_line_is_one_line() -> None:
    line = json_lines.as_json(stream(evil())[0], 0.0)
    clean(line.replace("\u202e", "").replace("\u2066", "").replace("\x9b", ""))  # JSON escapes C0 only
    assert json.loads(line)["texts"] == [EVIL]


@pytest.mark.parametrize("end", FORMATS)
def test_every_format_is_written(tmp_path: Path, end: str) -> None:
    file = tmp_path / f"x{end}"
    said = export(trace_of(evil()), str(file), backends.technique("tcp"))
    assert said == f"1 frames are in {file}"
    assert file.stat().st_size > 50


def test_a_format_that_is_not_known_and_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"\.pcapng \(packets, for Wireshark\)"):
        export(trace_of(), "x.doc", backends.technique("tcp"))
    with pytest.raises(ChatError, match="No such file"):
        export(trace_of(), str(tmp_path / "no" / "x.svg"), backends.technique("tcp"))


# --- fields and bytes --------------------------------------------------------------------------


def test_each_byte_is_what_the_innermost_field_says() -> None:
    inner = Field("text", "hi", (1, 3), "payload")
    one = frame(b"<hi>!", Field("body", "", (0, 4), "envelope", fields=[inner]))
    parts = ["envelope", "payload", "payload", "envelope", "framing"]
    assert part_of_each_byte(one) == parts
    assert sizes(one) == {"framing": 1, "envelope": 2, "payload": 2}
    assert [field.name for field in owner(one, 2)] == ["frame", "body", "text"]
    assert [row.offset for row in rows(one, one.data, 2)] == [0, 2, 4]
    assert "".join(row.data.decode() for row in rows(one, one.data, 2)) == "<hi>!"


def test_a_secret_without_bytes_masks_those_above_it() -> None:
    derived = Field("token", MASK, None, secret=True)
    one = frame(b"ab[gzip]", Field("body", "", (2, 8), "envelope", fields=[derived]))
    assert shown_bytes(one) == b"ab******"
    assert shown_bytes(one, secrets=True) == b"ab[gzip]"


# --- the list ----------------------------------------------------------------------------------


def poll(number: int = 1) -> list[Frame]:
    made = [frame(b"?", role="poll"), frame(b"-", role="poll", direction=DOWN)] * number
    return stream(*[frame(one.data, role="poll", direction=one.direction) for one in made])


def test_empty_polls_are_one_row_until_something_comes() -> None:
    table = Table()
    table.add([*poll(37), *stream(frame(b"!", role="poll", direction=DOWN, seqs={1})), *poll(2)])
    assert [len(row.frames) for row in table.rows] == [74, 1, 4]
    assert table.rows[0].size == 74


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("hello", True),
        ('"hello wörld"', True),
        ("HELLO", True),
        ("nothing", False),
        ("proto:te dir:out", True),
        ("dir:in", False),
        ("role:message seq:7", True),
        ("seq:8", False),
        ("seq:x", False),
        ("bad:yes", False),
        ("bad:no", True),
        ("kind:dat conn:1 stream:5", True),
    ],
)
def test_a_filter(text: str, found: bool) -> None:
    (one,) = stream(frame(b"x", texts=["hello wörld"], seqs={7}, stream="5"))
    assert parse_filter(text)(one) is found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"open', "a quotation mark is missing"),
        ("dir:left", "dir is in or out"),
        ("porto:x", "did you mean proto:?"),
        ("zzzzz:x", "known are proto, kind"),
    ],
)
def test_a_filter_that_is_not_understood(text: str, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_filter(text)
    assert said in str(refused.value)


# --- receipts and totals -----------------------------------------------------------------------


def test_a_receipt_counts_the_frames_of_its_message() -> None:
    trace = trace_of(
        frame(b"12345", Field("text", "", (0, 2), "payload"), drafts={3}),
        frame(b"ping", role="control"),
        frame(b"1234567", direction=DOWN, seqs={9}, drafts={3}),
        frame(b"12345678", direction=DOWN, seqs={10, 11}),
    )
    one = receipt(trace, "ä", 9, 3)
    assert one is not None
    assert (one.text, one.up, one.down, one.frames) == (2, 5, 7, 2)
    assert (one.payload, one.framing + one.envelope) == (2, 10)
    assert one.overhead == 6
    assert one.numbers == (1, 3)
    assert one.seconds == pytest.approx(0.002)
    shared = receipt(trace, "x", 10)
    assert shared is not None
    assert (shared.up, shared.down, shared.seconds) == (0, 4, None), "half of a frame with two events"
    assert receipt(trace, "x", 99) is None


def test_totals_are_of_all_frames() -> None:
    trace = trace_of(frame(b"12345"), frame(b"123", role="control", direction=DOWN))
    assert summary(trace) == "2 frames; 5 B up; 3 B down; of these control 3 B, message 5 B"
    assert [carries_nothing(one) for one in trace.frames] == [False, True]


def test_a_json_line_holds_nothing_that_a_terminal_would_obey() -> None:
    one = raw_frame(b"x")
    one.texts = ["a\x9bb\u202ec"]
    line = json_lines.as_json(one, 0.0)
    assert "\x9b" not in line
    assert "\u202e" not in line
    assert json.loads(line)["texts"] == one.texts
