"""Protobuf's records of the decoder, against protobuf itself."""

from __future__ import annotations

import random
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor as Type
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from backends.grpc.decoding_protobuf import MAX_DEPTH, MAX_RECORDS, Record, walk
from protos import chat_pb2 as pb

SCALARS = [number for number in range(1, 19) if number not in (Type.TYPE_GROUP, Type.TYPE_MESSAGE)]


def every_type() -> Any:
    """Return the class of a message with a field of each type, once single and once repeated."""
    file = FileDescriptorProto(name="every.proto", package="every")
    file.enum_type.add(name="Colour").value.add(name="RED", number=0)
    file.enum_type[0].value.add(name="BLUE", number=-2)
    one = file.message_type.add(name="One")
    numbers = iter(range(1, 100))
    for label in (FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED):
        for kind in (*SCALARS, Type.TYPE_MESSAGE):
            field = one.field.add(number=next(numbers), label=label, type=kind)
            field.name = f"{'list' if label == 3 else 'one'}_{kind}"
            if name := {Type.TYPE_ENUM: ".every.Colour", Type.TYPE_MESSAGE: ".every.One"}.get(kind):
                field.type_name = name
            field.options.packed = label == 3 and kind not in (Type.TYPE_STRING, Type.TYPE_BYTES, 11)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("every.One"))


Every = every_type()


def values(message: Message) -> dict[str, Any]:
    """Return what protobuf has read; numbers of an enumeration by name."""
    return {
        field.name: [value_of(field, one) for one in value] if field.is_repeated else value_of(field, value)
        for field, value in message.ListFields()
    }


def value_of(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return values(value)
    if field.enum_type is not None:
        names = field.enum_type.values_by_number
        return names[value].name if value in names else value
    return value


def records_as(records: list[Record], kind: Any) -> dict[str, Any]:
    """Return what the decoder has read, in the same form."""
    read: dict[str, Any] = {}
    for record in records:
        field = kind.fields_by_name[record.name]
        value = record.value if field.message_type is None else records_as(record.records, field.message_type)
        if not field.is_repeated:
            read[record.name] = value
        elif isinstance(value, list):
            read.setdefault(record.name, []).extend(value)
        else:
            read.setdefault(record.name, []).append(value)
    return read


def some(kind: int) -> st.SearchStrategy[Any]:
    match kind:
        case Type.TYPE_DOUBLE:
            return st.floats(allow_nan=False)
        case Type.TYPE_FLOAT:
            return st.floats(allow_nan=False, width=32)
        case Type.TYPE_BOOL:
            return st.booleans()
        case Type.TYPE_STRING:
            return st.text()
        case Type.TYPE_BYTES:
            return st.binary()
        case Type.TYPE_ENUM:
            return st.sampled_from((0, -2))
        case Type.TYPE_INT64 | Type.TYPE_SINT64 | Type.TYPE_SFIXED64:
            return st.integers(-(2**63), 2**63 - 1)
        case Type.TYPE_INT32 | Type.TYPE_SINT32 | Type.TYPE_SFIXED32:
            return st.integers(-(2**31), 2**31 - 1)
        case Type.TYPE_UINT64 | Type.TYPE_FIXED64:
            return st.integers(0, 2**64 - 1)
    return st.integers(0, 2**32 - 1)


FIELDS = {f"one_{kind}": some(kind) for kind in SCALARS} | {
    f"list_{kind}": st.lists(some(kind), max_size=4) for kind in SCALARS
}
FLAT = st.fixed_dictionaries({}, optional=FIELDS)


@given(FLAT, FLAT, st.lists(FLAT, max_size=2))
def test_each_value_is_what_protobuf_reads(fields: Any, below: Any, several: Any) -> None:
    message = Every(**fields, one_11=Every(**below), list_11=[Every(**one) for one in several])
    data = message.SerializeToString()
    records, problem = walk(data, Every.DESCRIPTOR)
    assert not problem
    assert records_as(records, Every.DESCRIPTOR) == values(message)
    assert [record.start for record in records] == [0, *(record.end for record in records)][: len(records)]


@given(st.randoms(use_true_random=False))
def test_it_takes_what_protobuf_takes(rng: random.Random) -> None:
    events = [pb.Event(kind=pb.Event.SENT, seq=number, text="hällo", author="ann") for number in (1, 300)]
    data = bytearray(pb.ServerFrame(events=pb.Events(events=events)).SerializeToString())
    for _ in range(rng.randint(1, 3)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    try:
        message = pb.ServerFrame.FromString(bytes(data))
    except DecodeError:
        message = None
    records, problem = walk(bytes(data), pb.ServerFrame.DESCRIPTOR)
    assert bool(problem) == (message is None), (data.hex(), problem)
    if message is not None and len(records) == 1 and records[0].name == message.WhichOneof("kind"):
        mine = [one for one in records[0].records if one.name == "events"]
        if records[0].name == "events":
            assert len(mine) == len(message.events.events)


def test_a_beginning_has_the_records_that_are_there() -> None:
    data = pb.ClientFrame(send=pb.Send(n=300, text="hällo")).SerializeToString()
    whole, _ = walk(data, pb.ClientFrame.DESCRIPTOR)
    for size in range(len(data)):
        records, problem = walk(data[:size], pb.ClientFrame.DESCRIPTOR, len(data))
        assert not problem
        if size >= whole[0].content:
            assert (records[0].name, records[0].end) == ("send", len(data))


def test_messages_in_messages_end_at_a_depth() -> None:
    kind = Every.DESCRIPTOR
    tag = kind.fields_by_name["one_11"].number << 3 | 2
    head = bytes([tag & 127 | 128, tag >> 7])
    data = b""
    for _ in range(MAX_DEPTH):
        data = head + bytes([len(data)]) + data
    assert walk(data, kind)[1] == ""
    deeper = head + bytes([len(data)]) + data
    assert walk(deeper, kind)[1] == f"messages nested more than {MAX_DEPTH} levels deep"


def test_a_message_has_no_more_records_than_that() -> None:
    records, problem = walk(b"\x08\x01" * (MAX_RECORDS + 1), None)
    assert len(records) == MAX_RECORDS
    assert problem == f"a message of more than {MAX_RECORDS} records"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"\x0a\x03abc", '"abc"'),
        (b"\x0a\x02\xff\xfe", "ff fe"),
        (b"\x09" + b"\1" * 8, str(0x0101010101010101)),
        (b"\x0d" + b"\1" * 4, str(0x01010101)),
    ],
)
def test_without_a_descriptor_the_first_that_fits_is_shown(data: bytes, shown: str) -> None:
    (record,), problem = walk(data, None)
    assert (record.name, record.shown, problem) == ("field 1", shown, "")


def test_a_group_is_read_to_its_end() -> None:
    (group, after), problem = walk(b"\x0b\x10\x05\x0c\x18\x07", None)
    assert not problem
    assert [(one.name, one.value) for one in group.records] == [("field 2", 5), ("end of the group", None)]
    assert (after.name, after.value) == ("field 3", 7)
    assert walk(b"\x0b\x10\x05\x14", None)[1] == "an end of group 2"
    assert walk(b"\x0b\x10\x05", None)[1] == "no end of group 1"
