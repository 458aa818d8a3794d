"""The chat's names, limits and errors as the WSDL has them, for both sides. Needs no library for XML."""

from __future__ import annotations

import re
from pathlib import Path

from backends.soap import TECHNIQUE
from chat.domain.errors import ERRORS, ChatError, Closing, Full, NotStored
from chat.transport.wire_limits import WireLimits

TNS = "urn:chat:v1"
"""The target namespace: that of every element of the chat."""
PATH = "/soap"
"""The path of the service, for both versions of SOAP."""
WSDL = Path(__file__).parents[2] / "wsdl" / "chat.wsdl"
"""The contract."""
WSDL11 = WSDL.with_name("chat-soap11.wsdl")
"""The contract with the port of SOAP 1.1 only: Axis 1.4 and others of its time fail at SOAP 1.2's faults."""
ADDRESS = f"http://127.0.0.1:{TECHNIQUE.port}{PATH}"
"""The address of the service in these files; a server replaces it by the one at which it was asked."""

XSD = "http://www.w3.org/2001/XMLSchema"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"

MAX_TEXT = 4000
"""Characters of a text; the room bounds its bytes, too."""
MAX_NICK = 24
MAX_WORD = 64
"""Characters of seat keys, epochs, seats and names of techniques."""
MAX_REASON = 512
"""Characters of a fault's text."""
MAX_EVENTS = 200
"""Events in one answer."""
MAX_WAIT = 20
"""Seconds that a Fetch may wait."""

FAULTS: dict[str, type[ChatError]] = {
    code: kind
    for code, kind in ERRORS.items()
    if code not in ("connection_lost", "slow_reader", "no_such_room")
}
"""Every error that a SOAP server reports, by its code."""
FAULT_NAMES = {code: "Failed" if kind is ChatError else kind.__name__ for code, kind in FAULTS.items()}
"""The name of an error's element in a fault's detail, by the error's code."""
KINDS = {FAULT_NAMES[code]: kind for code, kind in FAULTS.items()}
"""The error by the name of its element."""
SERVER_FAULTS = (ChatError, Closing, Full, NotStored)
"""Errors that are the server's fault (SOAP 1.1: Server, 1.2: Receiver); all others are the caller's."""

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def is_server_fault(error: ChatError) -> bool:
    """Return whether the server is at fault, and not the caller."""
    return type(error) in SERVER_FAULTS


def fault_text(text: str) -> str:
    """Return a text as a fault has it: at most `MAX_REASON` long, without characters that XML can't carry."""
    text = _NOT_XML.sub("\ufffd", text)
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 4] + " ..."


def fits(text: str, bound: int) -> bool:
    """Whether XML can carry the text, and it has at most so many characters."""
    return len(text) <= bound and not _NOT_XML.search(text)


LIMITS = WireLimits(fits, text=MAX_TEXT, nick=MAX_NICK, key=MAX_WORD, epoch=MAX_WORD)


def camel(name: str) -> str:
    """Return a field's name in XML: ``seatKey`` for ``seat_key``."""
    head, *tail = name.split("_")
    return head + "".join(map(str.capitalize, tail))


def snake(name: str) -> str:
    """Return a field's name in the model: ``seat_key`` for ``seatKey``."""
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", name)
