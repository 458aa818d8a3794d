"""What hyperframe and hpack say about frames of HTTP/2, compared with what our decoder says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import hpack
import hyperframe.frame as hf

from chat.interfaces.frames import MASK, Direction, Field, Frame
from chat.transport.decoding.text import one_line

NAMES = {
    hf.DataFrame: "DATA",
    hf.HeadersFrame: "HEADERS",
    hf.PriorityFrame: "PRIORITY",
    hf.RstStreamFrame: "RST_STREAM",
    hf.SettingsFrame: "SETTINGS",
    hf.PushPromiseFrame: "PUSH_PROMISE",
    hf.PingFrame: "PING",
    hf.GoAwayFrame: "GOAWAY",
    hf.WindowUpdateFrame: "WINDOW_UPDATE",
    hf.ContinuationFrame: "CONTINUATION",
}


def below(field: Field, name: str) -> Field:
    """Return the field of that name; fail unless there is one."""
    (found,) = [one for one in field.fields if one.name == name]
    return found


def check_frames(frames: Sequence[Frame]) -> int:
    """Fail unless the libraries read the same; return how many field lines were compared."""
    lines = 0
    for direction in Direction:
        decoder, block = hpack.Decoder(), b""
        decoder.max_allowed_table_size = 1 << 16  # what either side of a test announces is less
        shown: list[Field] = []
        for frame in frames:
            if frame.direction is not direction or frame.kind == "preface":
                continue
            judged, size = hf.Frame.parse_frame_header(memoryview(frame.data[:9]))
            assert size == len(frame.data) - 9
            judged.parse_body(memoryview(frame.data[9:]))
            check_frame(frame, judged)
            if isinstance(judged, hf.HeadersFrame | hf.ContinuationFrame | hf.PushPromiseFrame):
                block += judged.data
                shown += below(frame.root, "Field Block Fragment").fields
                if "END_HEADERS" in judged.flags:
                    lines += check_lines(decoder.decode(block, raw=True), shown)
                    block, shown = b"", []
    return lines


def check_frame(frame: Frame, judged: hf.Frame) -> None:
    """Fail unless hyperframe reads the same in a frame."""
    header = below(frame.root, "frame header")
    if not isinstance(judged, hf.ExtensionFrame):
        assert frame.kind == NAMES[type(judged)]
        assert set(below(header, "Flags").value.replace(",", "").split()[1:]) == set(judged.flags)
    assert below(header, "Stream Identifier").value == str(judged.stream_id)
    match judged:
        case hf.SettingsFrame():
            values = {int(one.fields[0].value): int(one.value) for one in frame.root.fields[1:]}
            assert values == judged.settings
        case hf.PingFrame():
            assert below(frame.root, "Opaque Data").value == judged.opaque_data.hex()
        case hf.WindowUpdateFrame():
            assert below(frame.root, "Window Size Increment").value == str(judged.window_increment)
        case hf.GoAwayFrame():
            assert below(frame.root, "Last-Stream-ID").value == str(judged.last_stream_id)
        case hf.PushPromiseFrame():
            assert below(frame.root, "Promised Stream ID").value == str(judged.promised_stream_id)
        case hf.DataFrame():
            assert content(frame, "Data") == judged.data
        case hf.HeadersFrame() | hf.ContinuationFrame():
            assert content(frame, "Field Block Fragment") == judged.data


def content(frame: Frame, name: str) -> bytes:
    """Return the bytes of a field of the frame."""
    span = below(frame.root, name).span
    assert span is not None
    return frame.data[slice(*span)]


def check_lines(judged: Iterable[tuple[bytes, bytes]], shown: Sequence[Field]) -> int:
    """Fail unless the fields are the field lines, masked where they are a secret."""
    judged = list(judged)
    fields = [one for one in shown if one.name not in ("dynamic table size update", "part of a field line")]
    assert [one.name for one in fields] == [name.decode() for name, _ in judged]
    for field, (_, value) in zip(fields, judged, strict=True):
        assert field.value == (MASK if field.secret else one_line(value))
    return len(fields)
