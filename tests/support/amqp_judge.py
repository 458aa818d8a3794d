"""What pamqp says about frames of AMQP, compared with what our decoder says."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from pamqp import base, body, frame, header, heartbeat

from chat.interfaces.frames import MASK, Field, Frame

NAMES = {"message_type": "type", "exchange_type": "type", "nowait": "no-wait"}
"""What pamqp calls otherwise than the specification does."""


def check_frames(frames: Sequence[Frame]) -> int:
    """Fail unless pamqp reads the same; return how many values were compared."""
    count = 0
    for one in frames:
        if one.kind == "protocol header":
            continue
        size, channel, judged = frame.unmarshal(one.data)
        assert size == len(one.data)
        assert one.root.fields[1].value == str(channel)
        payload = one.root.fields[3]
        match judged:
            case heartbeat.Heartbeat():
                assert one.kind == "heartbeat"
            case body.ContentBody():
                assert payload.span is not None
                assert one.data[slice(*payload.span)] == judged.value
            case header.ContentHeader():
                values = {item.name: item for item in payload.fields}
                assert values["body size"].value == str(judged.body_size)
                listed = {item.name: item for item in values["property list"].fields}
                theirs = {name: value for name, value in judged.properties if value}
                assert set(listed) == {spec_name(name) for name in theirs}
                count += sum(check_value(listed[spec_name(name)], value) for name, value in theirs.items())
            case base.Frame():
                assert one.kind == judged.name
                count += check_arguments(payload, judged)
    return count


def check_arguments(method: Field, judged: base.Frame) -> int:
    """Fail unless the arguments of a method are those that pamqp reads."""
    shown: dict[str, Field] = {}
    for one in method.fields[2:]:
        shown |= {bit.name: bit for bit in one.fields} if one.name == "bits" else {one.name: one}
    assert list(shown) == [spec_name(name) for name in judged.attributes()]
    return sum(check_value(shown[spec_name(name)], value) for name, value in judged)


def check_value(field: Field, value: Any) -> int:
    """Fail unless a field shows the value, all in it included; return how many there are."""
    below = [one for one in field.fields if one.part != "framing"]
    if below and below[0].secret:
        assert below[0].value == MASK
        return 1
    if isinstance(value, dict):
        assert [one.name for one in below] == list(value)
        return sum(check_value(one, value[one.name]) for one in below)
    if isinstance(value, list):
        assert len(below) == len(value)
        return sum(check_value(*pair) for pair in zip(below, value, strict=True))
    if isinstance(value, bool) and field.value in ("0", "1"):
        value = int(value)
    if isinstance(value, datetime.datetime):
        value = int(value.timestamp())
    if isinstance(value, bytes | bytearray):
        assert field.value in (value.hex(" "), value.decode(errors="replace"))
        return 1
    assert field.value == str(value), field.name
    return 1


def spec_name(name: str) -> str:
    """Return a name of pamqp as the specification has it."""
    return NAMES.get(name, name).strip("_").replace("_", "-")
