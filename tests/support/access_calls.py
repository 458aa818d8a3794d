"""Every call of every technique, made by hand with whatever token and seat key a test wants."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from lxml import etree
from zeep.wsse.username import UsernameToken

from backends.rpyc.codec import Raised
from backends.soap.conversion import FAULT_NAMES
from backends.udp.message_auth import HELLO_UP, UP, Authenticator, derive, root_key
from chat.domain.validation import seat_name
from chat.interfaces.address import Address
from protos import chat_pb2 as pb
from protos import chat_xdr as xdr
from protos.chat_pb2_grpc import ChatServiceStub
from tests.support import raw, udp_peer
from tests.support.grpc_peer import NO_PROXY
from tests.support.http_peer import HttpPeer
from tests.support.oncrpc_peer import SUCCESS, StreamPeer, after, opaque, words
from tests.support.rpyc_peer import FUNCTION, RpycPeer
from tests.support.soap_peer import ENVELOPES, SoapPeer, envelope, read_fault, request

YES, NO_ANSWER = "yes", "no answer"
ID = 3
"""The message that is edited and deleted: opened, joined, sent."""
NONCE = "a-nonce-of-22-charsssss"


@dataclass(frozen=True)
class Caller:
    """Where a call goes, and what is shown with it."""

    address: Address
    room: str
    nick: str
    token: str
    key: str
    bare: bool
    """Where a connection has a seat: leave out the hello."""


Outcome = tuple[str, bytes]
"""`YES`, an error's code or `NO_ANSWER`; and what came back."""
Call = Callable[[Caller, str], Awaitable[Outcome]]


# --- a seat for each connection ----------------------------------------------------------------

LINES: dict[str, tuple[dict[str, Any], str]] = {
    "say": ({"text": "new", "n": 50}, "sent"),
    "edit": ({"id": ID, "text": "new", "n": 50}, "edited"),
    "delete": ({"id": ID, "n": 50}, "deleted"),
    "history": ({"ref": 9}, "page"),
    "members": ({"ref": 9}, "members"),
    "ping": ({"ref": 9}, "pong"),
    "leave": ({}, "left"),
}
"""The lines of tcp and udp behind the hello, and the kind that answers each."""


def hello(caller: Caller) -> dict[str, Any]:
    return {"kind": "hello", "nick": caller.nick, "room": caller.room, "seat_key": caller.key}


async def tcp(caller: Caller, call: str) -> Outcome:
    async with await raw.RawPeer.open(caller.address) as peer:
        if not caller.bare or call == "hello":
            await peer.say(**hello(caller), access=caller.token)
        fields, kind = LINES.get(call, ({}, "welcome"))
        if call != "hello":
            await peer.say(kind=call, **fields)
        while True:
            line = await peer.line()
            if line["kind"] == "error":
                return line["code"], b""
            if line["kind"] == kind and (kind != "sent" or line["text"] == "new"):
                return YES, json.dumps(peer.lines).encode()


async def udp(caller: Caller, call: str) -> Outcome:
    came = b""
    async with udp_peer.RawPeer(caller.address) as peer:
        auth = None
        if not caller.bare or call == "hello":
            cookie = await peer.cookie(nonce=NONCE)
            said = json.dumps({**hello(caller), "nonce": NONCE, "cookie": cookie}).encode()
            root = root_key(caller.token) if caller.token else b""
            if root:
                said = Authenticator(derive(root, HELLO_UP, NONCE, cookie)).protect(said)
            peer.send(said)
            came = await peer.datagram()
            first = json.loads(came.partition(b"\n")[0])
            if first["kind"] == "end":
                return first["code"], b""
            if call == "hello":
                return YES, came
            auth = Authenticator(derive(root, UP, NONCE, first["salt"]))
        fields, kind = LINES[call]
        said = json.dumps({"kind": call, **fields}).encode()
        peer.send(auth.protect(said) if auth else said)
        if caller.bare:  # what nobody answers is behind it: a cookie is asked for, and comes
            await peer.cookie()
            return NO_ANSWER, b""
        while True:
            data = await peer.datagram()
            came += data
            if f'"kind":"{kind}"'.encode() in data:
                return YES, came
            if b'"kind":"error"' in data:
                return json.loads(data.partition(b"\n")[0])["code"], b""


METHODS: dict[str, dict[str, Any]] = {
    "login": {},
    "send": {"text": "new", "n": 50},
    "edit": {"id": ID, "text": "new", "n": 50},
    "delete": {"id": ID, "n": 50},
    "history": {},
    "members": {},
    "leave": {},
}


async def rpyc(caller: Caller, call: str) -> Outcome:
    async with await RpycPeer.open(caller.address) as peer:
        if not caller.bare or call == "login":
            said = await peer.call(
                *("login", caller.nick, caller.room, FUNCTION), access=caller.token, seat_key=caller.key
            )
            if isinstance(said, Raised):
                return _code_in(said), b""
            if call == "login":
                return YES, repr(said.value).encode()
        said = await peer.call(call, **METHODS[call])
        return (_code_in(said), b"") if isinstance(said, Raised) else (YES, repr(said.value).encode())


def _code_in(raised: Raised) -> str:
    return str(dict(raised.fields)["code"])


FRAMES: dict[str, pb.ClientFrame] = {
    "Chat: send": pb.ClientFrame(send=pb.Send(n=50, text="new")),
    "Chat: edit": pb.ClientFrame(edit=pb.Edit(n=50, id=ID, text="new")),
    "Chat: delete": pb.ClientFrame(delete=pb.Delete(n=50, id=ID)),
    "Chat: ping": pb.ClientFrame(ping=pb.Ping(ref=9)),
    "Chat: leave": pb.ClientFrame(leave=pb.Leave()),
}


async def grpc_(caller: Caller, call: str) -> Outcome:
    shown = [("authorization", f"Bearer {caller.token}")] if caller.token else None
    async with grpc.aio.insecure_channel(str(caller.address), options=NO_PROXY) as channel:
        stub: Any = ChatServiceStub(channel)
        try:
            if call == "Health.Check":
                check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
                return YES, await check(b"")
            if call == "History":
                page = await stub.History(pb.HistoryRequest(room=caller.room), metadata=shown)
                return YES, page.SerializeToString()
            if call == "Members":
                members = await stub.Members(pb.MembersRequest(room=caller.room), metadata=shown)
                return YES, members.SerializeToString()
            return await _frame(stub.Chat(metadata=shown), caller, call)
        except grpc.aio.AioRpcError as error:
            return str(dict(error.trailing_metadata() or ())["chat-error"]), b""


async def _frame(stream: Any, caller: Caller, call: str) -> Outcome:
    if not caller.bare or call == "Chat: hello":
        said = pb.Hello(room=caller.room, nick=caller.nick, seat_key=caller.key)
        await stream.write(pb.ClientFrame(hello=said))
        first = await stream.read()  # a write to a call that has ended would hide why it has
        if first is grpc.aio.EOF:
            return str(dict(await stream.trailing_metadata())["chat-error"]), b""
        if call == "Chat: hello":
            return YES, first.SerializeToString()
    await stream.write(FRAMES[call])
    came = b""
    while (frame := await stream.read()) is not grpc.aio.EOF:
        came += frame.SerializeToString()
        kind = frame.WhichOneof("kind")
        if kind == "problem":
            return frame.problem.code, b""
        if kind == "pong" or (kind == "events" and any(event.n == 50 for event in frame.events.events)):
            return YES, came
    if await stream.code() is grpc.StatusCode.OK:
        return YES, came
    return str(dict(await stream.trailing_metadata())["chat-error"]), b""


# --- a seat key for each call ------------------------------------------------------------------

PROCEDURES: dict[str, Callable[[Caller], Any]] = {
    "NULL": lambda caller: b"",
    "JOIN": lambda caller: xdr.join_args(caller.room, caller.nick, caller.token, caller.key, None),
    "LEAVE": lambda caller: xdr.leave_args(caller.key),
    "SEND": lambda caller: xdr.send_args(caller.key, 50, "new"),
    "EDIT": lambda caller: xdr.edit_args(caller.key, 50, ID, "new"),
    "DELETE": lambda caller: xdr.delete_args(caller.key, 50, ID),
    "FETCH": lambda caller: after(caller.key, 0),
    "MEMBERS": lambda caller: xdr.members_args(caller.key, 0),
    "SEEN": lambda caller: xdr.seen_args(caller.key, 0),
}


async def oncrpc(caller: Caller, call: str) -> Outcome:
    number = next(number for number, one in xdr.PROCEDURES.items() if one.name == f"CHAT_{call}")
    shown: dict[str, Any] = {}
    if caller.token and call != "JOIN":
        shown = {"flavor": 1, "credential": words(0) + opaque(caller.token.encode()) + words(0, 0, 0)}
    async with await StreamPeer.open(caller.address) as peer:
        came = await peer.reply(await peer.begin(number, PROCEDURES[call](caller), **shown))
    result = xdr.PROCEDURES[number].result
    if result is None:
        return YES, b""
    status = xdr.chat_status(getattr(result.decode(came[len(SUCCESS) :]), "status"))  # noqa: B009
    return (YES, came) if status is xdr.chat_status.CHAT_OK else (status.name[5:].lower(), b"")


RESOURCES: dict[str, tuple[str, str, Any]] = {
    "openapi.json": ("GET", "/openapi.json", None),
    "listRooms": ("GET", "/rooms", None),
    "getRoom": ("GET", "/rooms/{room}", None),
    "listMembers": ("GET", "/rooms/{room}/members", None),
    "listEvents": ("GET", "/rooms/{room}/events", None),
    "getMessage": ("GET", f"/rooms/{{room}}/messages/{ID}", None),
    "takeSeat": ("POST", "/rooms/{room}/seats", ...),
    "leaveRoom": ("DELETE", "/rooms/{room}/seats/{seat}", None),
    "sendMessage": ("POST", "/rooms/{room}/messages", {"text": "new"}),
    "editMessage": ("PUT", f"/rooms/{{room}}/messages/{ID}", {"text": "new"}),
    "deleteMessage": ("DELETE", f"/rooms/{{room}}/messages/{ID}", None),
}


async def rest(caller: Caller, call: str) -> Outcome:
    method, path, body = RESOURCES[call]
    headers = {"Seat-Key": caller.key} if caller.key else {}
    if caller.token:
        headers["Authorization"] = f"Bearer {caller.token}"
    if body is ...:
        body = {"nick": caller.nick, "seat_key": caller.key}
    path = path.format(room=caller.room, seat=seat_name(caller.key))
    async with await HttpPeer.open(caller.address) as peer:
        answer = await peer.ask(method, path, body, headers=headers)
    return (YES, answer.body) if answer.status < 300 else (answer.problem["code"], b"")


OPERATIONS: dict[str, Callable[[Caller], dict[str, object]]] = {
    "Join": lambda caller: {"room": caller.room, "nick": caller.nick, "seatKey": caller.key or None},
    "Leave": lambda caller: {"seatKey": caller.key or "none"},
    "Send": lambda caller: {"seatKey": caller.key or "none", "n": 50, "text": "new"},
    "Edit": lambda caller: {"seatKey": caller.key or "none", "n": 50, "id": ID, "text": "new"},
    "Delete": lambda caller: {"seatKey": caller.key or "none", "n": 50, "id": ID},
    "Fetch": lambda caller: {"seatKey": caller.key or "none", "after": 0, "limit": 200, "wait": 0},
    "Members": lambda caller: {"seatKey": caller.key or "none"},
    "Seen": lambda caller: {"seatKey": caller.key or "none"},
    "Ping": lambda caller: {},
}
_CODES = {name: code for code, name in FAULT_NAMES.items()}


async def soap(caller: Caller, call: str) -> Outcome:
    async with await SoapPeer.open(caller.address) as peer:
        if call == "WSDL":
            return YES, (await peer.ask("GET", "/soap?wsdl")).body
        message = envelope(request(call, **OPERATIONS[call](caller)), header=_security(caller.token))
        answer = await peer.post(message)
        return (YES, answer.body) if answer.status == 200 else (_CODES[read_fault(answer).name], b"")


def _security(token: str) -> str:
    if not token:
        return ""
    root = etree.fromstring(f'<s:Envelope xmlns:s="{ENVELOPES["1.1"]}"><s:Header/><s:Body/></s:Envelope>')
    made: Any = UsernameToken("ann", token, use_digest=True).apply(root, {})[0]
    return bytes(etree.tostring(made[0][0])).decode()


CALLS: dict[str, tuple[Call, list[str]]] = {
    "tcp": (tcp, ["hello", *LINES]),
    "udp": (udp, ["hello", *LINES]),
    "rpyc": (rpyc, list(METHODS)),
    "grpc": (grpc_, ["Health.Check", "History", "Members", "Chat: hello", *FRAMES]),
    "oncrpc": (oncrpc, list(PROCEDURES)),
    "rest": (rest, list(RESOURCES)),
    "soap": (soap, ["WSDL", *OPERATIONS]),
}
"""By the technique: what makes a call, and the names of its calls."""
