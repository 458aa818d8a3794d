"""What both sides say: namespaces, limits of the contract, which error is which fault. No library needed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from backends.soap import TECHNIQUE
from chat.domain.errors import ERRORS, ChatError, Closing, Full, NotStored, StaleCursor
from chat.domain.model import Cursor, Hello
from chat.domain.validation import clean_nick, clean_room, clean_text

TNS = "urn:chat:v1"
"""The target namespace: what every element of the chat's own is in."""
PATH = "/soap"
"""Where the service is, for both versions of SOAP."""
WSDL = Path(__file__).parents[2] / "wsdl" / "chat.wsdl"
"""The contract."""
ADDRESS = f"http://127.0.0.1:{TECHNIQUE.port}{PATH}"
"""Where that file says that the service is; a server puts its own address there."""

WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"

MAX_TEXT = 4000
"""Characters of a text; the server counts bytes besides."""
MAX_NICK = 24
MAX_WORD = 64
"""Characters of seat keys, epochs, seats and names of techniques."""
MAX_REASON = 512
"""Characters of what a fault says."""
MAX_EVENTS = 200
"""Events in one answer."""
MAX_WAIT = 20
"""Seconds that a Fetch may wait."""

FAULTS: dict[str, type[ChatError]] = {
    code: kind
    for code, kind in ERRORS.items()
    if code not in ("connection_lost", "slow_reader", "no_such_room")
}
"""Every error that a server tells, by its code. The others are about connections and calls not made here."""
FAULT_NAMES = {code: "Failed" if kind is ChatError else kind.__name__ for code, kind in FAULTS.items()}
"""The element in which an error comes in a fault's detail, by the error's code."""
KINDS = {FAULT_NAMES[code]: kind for code, kind in FAULTS.items()}
"""The error by the name of its element."""
OURS = (ChatError, Closing, Full, NotStored)
"""Errors for which the caller can do nothing: faults of the server (SOAP 1.1: Server, 1.2: Receiver)."""

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def is_ours(error: ChatError) -> bool:
    """Return whether the server is at fault, and not the caller."""
    return type(error) in OURS


def carried(text: str) -> str:
    """Return a reason as a fault has it: at most `MAX_REASON` long, and without what XML can't carry."""
    text = _NOT_XML.sub("\ufffd", text)
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 4] + " ..."


def fitting(text: str, bound: int, clean: Callable[[str], str]) -> str:
    """Return a text that the contract allows; if it is not, ``clean`` says why, or makes it shorter (NFC)."""
    return text if 0 < len(text) <= bound and not _NOT_XML.search(text) else clean(text)


def fitting_text(text: str) -> str:
    return fitting(text, MAX_TEXT, clean_text)


def fitting_hello(hello: Hello) -> Hello:
    """Return the hello as the contract allows it. Raises the `ChatError` that the server would give."""
    cursor = hello.cursor
    if cursor and cursor.epoch:
        cursor = Cursor(cursor.seq, fitting(cursor.epoch, MAX_WORD, _no_epoch))
    key = hello.seat_key
    return Hello(
        clean_room(hello.room),
        fitting(hello.nick, MAX_NICK, clean_nick),
        cursor,
        hello.access,
        key and fitting(key, MAX_WORD, _no_key),
    )


def _no_key(text: str) -> str:
    return ""  # no server gave such a key, so it opens nothing


def _no_epoch(text: str) -> str:
    raise StaleCursor("the room has another log than the cursor's: begin without a cursor")


def camel(name: str) -> str:
    """Return a field's name as XML has it: ``seat_key`` is ``seatKey`` there."""
    head, *tail = name.split("_")
    return head + "".join(map(str.capitalize, tail))


def snake(name: str) -> str:
    """Return a field's name as the model has it."""
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", name)
