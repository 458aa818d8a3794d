"""chat.x as Python: the bytes are those of the C that rpcgen makes of it, and every message comes back."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import chat_xdr, xdrgen
from protos.chat_xdr import (
    PROCEDURES,
    chat_direction,
    chat_error,
    chat_place,
    chat_status,
    draft_res,
    leave_res,
    send_args,
)
from protos.xdr import Message, XdrError
from tests.support.xdr_golden import GOLDEN

PROTOS = Path(chat_xdr.__file__).parent
OK = chat_status.CHAT_OK

# --- what C makes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOLDEN)
def test_the_bytes_are_those_of_c(name: str) -> None:
    message, wire = GOLDEN[name]
    assert message.encode().hex() == wire
    assert type(message).decode(bytes.fromhex(wire)) == message


# --- what goes in comes out ------------------------------------------------------------------------


def text(bound: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8"), max_size=bound // 4)


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "chat_room": text(chat_xdr.CHAT_MAX_ROOM),
    "chat_nick": text(chat_xdr.CHAT_MAX_NICK),
    "chat_text": text(chat_xdr.CHAT_MAX_TEXT),
    "chat_token": text(chat_xdr.CHAT_MAX_TOKEN),
    "chat_key": text(chat_xdr.CHAT_MAX_KEY),
    "chat_word": text(chat_xdr.CHAT_MAX_WORD),
    "str": text(chat_xdr.CHAT_MAX_REASON),
    "chat_number": st.integers(0, 2**64 - 1),
    "int": st.integers(0, 2**32 - 1),
    "float": st.floats(allow_nan=False),
    "bool": st.booleans(),
}


def of(hint: str) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    if hint in FIELDS:
        return FIELDS[hint]
    if hint.endswith(" | None"):
        return st.none() | of(hint.removesuffix(" | None"))
    if hint.startswith("list["):
        return st.lists(of(hint[5:-1]), max_size=5)
    kind = getattr(chat_xdr, hint)
    return values(kind) if is_dataclass(kind) else st.sampled_from(list(kind))


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a struct or a union."""
    if kind is chat_place:
        seqs = FIELDS["chat_number"]
        some = st.sampled_from([chat_direction.CHAT_AFTER, chat_direction.CHAT_BEFORE])
        return st.builds(kind, some, seqs) | st.just(kind(chat_direction.CHAT_NEWEST))
    if kind.__name__.endswith("_res"):
        ok, _, _ = next(field.type for field in fields(kind) if field.name == "value").partition(" | ")
        failed = st.builds(kind, st.sampled_from([s for s in chat_status if s != OK]), values(chat_error))
        return failed | st.builds(kind, st.just(OK), st.none() if ok == "chat_error" else of(ok))
    return st.builds(kind, **{field.name: of(str(field.type)) for field in fields(kind)})


MESSAGES = sorted(
    {kind for procedure in PROCEDURES.values() for kind in procedure[1:] if kind is not None},
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", MESSAGES)
@given(st.data())
def test_every_message_comes_back(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(values(kind))
    wire = message.encode()
    assert len(wire) % 4 == 0
    assert kind.decode(wire) == message


@pytest.mark.parametrize("kind", MESSAGES)
@given(st.data())
def test_what_is_cut_off_or_goes_on_is_no_message(kind: type[Message], data: st.DataObject) -> None:
    wire = data.draw(values(kind)).encode()
    for broken in (wire[: data.draw(st.integers(0, len(wire) - 1))], wire + bytes(4)):
        with pytest.raises(XdrError):
            kind.decode(broken)


@pytest.mark.parametrize("kind", MESSAGES)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_xdr_error(kind: type[Message], wire: bytes) -> None:
    try:
        message = kind.decode(wire)
    except XdrError:
        return
    assert message.encode() == wire


WRONG: dict[str, Callable[[], Message]] = {
    "an error without one": lambda: leave_res(chat_status.CHAT_CLOSING),
    "ok with an error": lambda: draft_res(OK, chat_error("", 0, 0)),
    "a place without a seq": lambda: chat_place(chat_direction.CHAT_AFTER),
    "the newest with a seq": lambda: chat_place(chat_direction.CHAT_NEWEST, 5),
    "a text over its bound": lambda: send_args("k", 1, 4001 * "x"),
    "a number below 0": lambda: send_args("k", -1, "x"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_has_no_bytes(name: str) -> None:
    with pytest.raises(XdrError):
        WRONG[name]().encode()


# --- the file itself -------------------------------------------------------------------------------


def test_the_python_is_what_the_interface_makes_of_it() -> None:
    made = xdrgen.generate(PROTOS.joinpath("chat.x").read_text(encoding="utf-8"), "chat.x")
    assert PROTOS.joinpath("chat_xdr.py").read_text(encoding="utf-8") == made


def test_no_arm_of_a_union_has_two_cases() -> None:
    """RFC 4506 allows it; parsers that people wrote (shenaniganfs's rpcgen, for one) do not read it."""
    contract = Path(xdrgen.__file__).with_name("chat.x").read_text(encoding="utf-8")
    assert "case CHAT_AFTER:" in contract
    assert re.findall(r"case\s+\w+\s*:\s*case", contract) == []


def test_the_table_has_every_procedure() -> None:
    assert [(number, procedure.name) for number, procedure in PROCEDURES.items()] == [
        *[(0, "CHAT_NULL"), (1, "CHAT_JOIN"), (2, "CHAT_LEAVE"), (3, "CHAT_SEND")],
        *[(4, "CHAT_EDIT"), (5, "CHAT_DELETE"), (6, "CHAT_FETCH"), (7, "CHAT_MEMBERS")],
        (8, "CHAT_SEEN"),
    ]
    assert (chat_xdr.CHAT_PROG, chat_xdr.CHAT_V1) == (600000001, 1)


def test_reading_it_needs_no_generator() -> None:
    """lark and ruff are for developers: whoever only chats does not have them."""
    code = "import protos.chat_xdr, sys; print(*{'lark', 'ruff', 'subprocess'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
