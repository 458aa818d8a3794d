"""The values of AMQP 0-9-1 for the decoder, against pamqp: arguments, properties, tables."""

from __future__ import annotations

import random
import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pamqp import commands
from pika import spec

from backends.rabbitmq.decoding_spec import methods
from backends.rabbitmq.decoding_spec import properties as known_properties
from backends.rabbitmq.decoding_values import MAX_DEPTH, MAX_VALUES, Reader
from chat.interfaces.frames import Field
from chat.transport.decoding.stream import Undecodable
from tests.support.amqp_judge import check_frames, check_value, spec_name
from tests.support.amqp_talk import (
    UP,
    decode,
    method,
)

# --- what pika knows, against pamqp --------------------------------------------------------------


def test_the_arguments_of_all_methods_are_those_of_pamqp() -> None:
    mapping: dict[int, Any] = dict(commands.INDEX_MAPPING)
    known = {(index >> 16, index & 0xFFFF): cls for index, cls in mapping.items()}
    ours = methods()
    assert set(known) <= set(ours)
    for ids, cls in known.items():
        assert ours[ids].name == cls.name
        theirs = [(spec_name(name), cls.amqp_type(name)) for name in cls.attributes()]
        assert [*map(tuple, ours[ids].arguments)] == theirs
        assert ours[ids].synchronous == cls.synchronous
    assert {one.name for one in ours.values() if one.content} == {
        "Basic.Publish",
        "Basic.Deliver",
        "Basic.Return",
        "Basic.GetOk",
    }


def test_the_properties_are_those_of_pamqp() -> None:
    cls = commands.Basic.Properties
    theirs = [(spec_name(name), cls.amqp_type(name)) for name in cls.attributes()]
    assert [(one.name, one.type.replace("longlong", "timestamp")) for one in known_properties()] == theirs


@pytest.mark.filterwarnings("ignore:This command is deprecated:DeprecationWarning")
@pytest.mark.parametrize("seed", range(3))
def test_the_values_of_all_methods_are_those_of_pamqp(seed: int) -> None:
    rng = random.Random(seed)
    said = []
    for ids, one in methods().items():
        if (ids[0] << 16 | ids[1]) not in commands.INDEX_MAPPING:
            continue
        known = _made(spec.methods[ids[0] << 16 | ids[1]])
        for name, value in vars(known).items():
            kind = next(each.type for each in one.arguments if _same(each.name, name))
            setattr(known, name, _random(kind, rng, value))
        said.append(method(UP, known))
    assert len(said) > 50
    assert check_frames(decode(*said)) > 100


def _made(cls: Any) -> Any:
    """Return a method; some must be told their arguments."""
    return cls("", "") if cls is spec.Connection.UpdateSecret else cls()


def _same(ours: str, pikas: str) -> bool:
    plain = ours.replace("-", "")
    return plain in (pikas.replace("_", ""), pikas.replace("_qos", ""))


def _random(kind: str, rng: random.Random, otherwise: Any) -> Any:
    match kind:
        case "bit":
            return bool(rng.randrange(2))
        case "table":
            return {"x-queue-type": "stream", "n": rng.randrange(-5, 2**40), "t": {"below": True}}
        case "shortstr" | "longstr":
            return rng.choice(("", "chat.log.lab", "täglich"))
        case "octet":
            return rng.randrange(256)
    return rng.randrange(1 << 16) if otherwise != 0 else 0  # pamqp takes no ticket but 0


TABLE: dict[bytes, tuple[bytes, Any]] = {
    b"t": (b"\1", True),
    b"b": (b"\xff", -1),
    b"B": (b"\xff", 255),
    b"s": (b"\xff\xfe", -2),
    b"u": (b"\xff\xfe", 65534),
    b"I": (b"\xff\xff\xff\xfd", -3),
    b"i": (b"\xff\xff\xff\xfd", 2**32 - 3),
    b"l": (b"\xff" * 8, -1),
    b"L": (b"\xff" * 8, -1),
    b"f": (struct.pack(">f", 1.5), 1.5),
    b"d": (struct.pack(">d", -2.25), -2.25),
    b"D": (b"\2" + struct.pack(">i", -314), Decimal("-3.14")),
    b"S": (b"\0\0\0\6t\xc3\xa4g!!", "täg!!"),
    b"x": (b"\0\0\0\2\0\xff", b"\0\xff"),
    b"T": (struct.pack(">Q", 1795393822), datetime.fromtimestamp(1795393822, UTC)),
    b"V": (b"", None),
    b"A": (b"\0\0\0\4t\1t\0", [True, False]),
    b"F": (b"\0\0\0\4\1kt\1", {"k": True}),
}


def test_a_table_may_hold_every_type() -> None:
    entries = b"".join(b"\1" + kind.lower()[:1] + kind + data for kind, (data, _) in TABLE.items())
    table = len(entries).to_bytes(4, "big") + entries
    root = Field("table", "", (0, len(table)))
    reader = Reader(table, 0, len(table))
    reader.table(root)
    for field, (kind, (_, value)) in zip(root.fields[1:], TABLE.items(), strict=True):
        assert field.fields[1].value.startswith(kind.decode())
        check_value(field, value)


@pytest.mark.parametrize(
    "table",
    [
        b"\0\0\0\3\1kt",
        b"\0\0\0\4\1k?\0",
        b"\0\0\0\x07\1kS\0\0\0\1",
        b"\0\0\0\x09\1kA\0\0\0\1t\1",
    ],
)
def test_a_table_that_is_damaged_is_refused(table: bytes) -> None:
    with pytest.raises(Undecodable):
        Reader(table, 0, len(table)).table(Field("table"))


def test_tables_in_tables_end_at_a_depth() -> None:
    table = b"\0\0\0\0"
    for depth in range(MAX_DEPTH + 2):
        entry = b"\1kF" + table
        table = len(entry).to_bytes(4, "big") + entry
        if depth == MAX_DEPTH - 1:
            Reader(table, 0, len(table)).table(Field("table"))
    with pytest.raises(Undecodable, match="nested more than"):
        Reader(table, 0, len(table)).table(Field("table"))


def test_a_table_has_no_more_values_than_that() -> None:
    entries = b"\1kV" * (MAX_VALUES + 1)
    table = len(entries).to_bytes(4, "big") + entries
    with pytest.raises(Undecodable, match="more than"):
        Reader(table, 0, len(table)).table(Field("table"))
