"""A client on suds, which makes the calls from the WSDL."""
# ruff: noqa: T201

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import sys
from typing import Any

import suds
from suds.client import Client
from suds.sax.date import DateTime
from suds.wsse import Security, UsernameToken

HOST, PORT, NICK, TOKEN = sys.argv[1:]
# The first port of the WSDL is SOAP 1.1, the only one that suds has. Its time-out is 90 s.
chat = Client(f"http://{HOST}:{PORT}/soap?wsdl", cache=None)


def security() -> Any:
    """Return the header that proves the token: suds takes a finished digest."""
    nonce = secrets.token_bytes(16)
    token = UsernameToken(NICK)
    token.setnonce(base64.b64encode(nonce).decode())
    token.setcreated()
    created = str(DateTime(token.created))  # as it will be written
    digest = hashlib.sha1(nonce + created.encode() + TOKEN.encode()).digest()
    token.setpassworddigest(base64.b64encode(digest).decode())
    made = Security()
    made.tokens.append(token)
    return made


def call(operation: str, *, proven: bool = True, **fields: object) -> Any:
    chat.set_options(wsse=security() if proven else None)  # a nonce is good for one call
    return getattr(chat.service, operation)(**fields)


def refused(step: str, nick: str, *, proven: bool) -> None:
    """Print the fault that refuses a join, in the way of the room's codes."""
    try:
        call("Join", proven=proven, room="lab", nick=nick)
    except suds.WebFault as refusal:
        ((name, _),) = refusal.fault.detail
        print(step, re.sub(r"\B[A-Z]", r"_\g<0>", name).lower())


def said(page: Any) -> list[Any]:
    """Return the messages of a page: an empty one has no attribute for them, and numbers are strings."""
    return [event for event in getattr(page, "event", []) if event.kind == "sent"]


print("version", suds.__version__)
refused("token", NICK, proven=False)
refused("refused", "ann", proven=True)
seat = call("Join", room="lab", nick=NICK)
key = {"seatKey": seat.seatKey}
print("members", *sorted(member.nick for member in call("Members", **key)))
last = said(call("Fetch", **key, after=seat.start, limit=200, wait=0))[-1]
print("reads", last.text.encode().hex())
older = said(call("Fetch", **key, before=last.seq, limit=2, wait=0))
print("history", *(event.text.encode().hex() for event in older))

sent = call("Send", **key, n=1, text="ä 漢字\n&<>").seq
print("waiting", flush=True)
later = said(call("Fetch", **key, after=sent, limit=200, wait=20))[0]
print("waits", later.text.encode().hex())
call("Edit", **key, n=2, id=sent, text="漢字 ä\n<&>")
call("Delete", **key, n=3, id=sent)
call("Leave", **key)
