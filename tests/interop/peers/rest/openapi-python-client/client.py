"""A client of the package that openapi-python-client makes of the contract: ``chat_client``."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

from chat_client import AuthenticatedClient
from chat_client.api.events import list_events
from chat_client.api.messages import delete_message, edit_message, send_message
from chat_client.api.rooms import list_members
from chat_client.api.seats import leave_room, take_seat
from chat_client.models import EventKind, Problem, SeatRequest, TextBody

host, port, nick, token = sys.argv[1:]
ROOM = "lab"


def tell(*words: str) -> None:
    """Print a line, at once."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def open_client(token: str, seat_key: str = "") -> Any:
    """Return a client that sends both keys; the seat's is a security scheme of the contract."""
    return AuthenticatedClient(
        f"http://{host}:{port}",
        token=seat_key,
        prefix="",
        auth_header_name="Seat-Key",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        httpx_args={"trust_env": False},  # not over a proxy
    )


def join(client: Any, nick: str) -> Any:
    return take_seat.sync(ROOM, client=client, body=SeatRequest(nick=nick))


def code(problem: Any) -> str:
    assert isinstance(problem, Problem)
    return str(problem.code)


def said(client: Any, **place: int) -> list[Any]:
    page = list_events.sync(ROOM, client=client, **place)
    return [event for event in page.events if event.kind is EventKind.SENT]


def digits(text: str) -> str:
    return text.encode().hex()


tell("version", version("openapi-python-client"))
tell("token", code(join(open_client(""), nick)))
tell("refused", code(join(open_client(token), "ann")))

seat = join(open_client(token), nick)
chat = open_client(token, seat.seat_key)
tell("members", *sorted(member.nick for member in list_members.sync(ROOM, client=chat).members))
last = said(chat, after=seat.start)[-1]
tell("reads", digits(last.text))
tell("history", *(digits(event.text) for event in said(chat, before=last.seq, limit=2)))

receipt = send_message.sync(ROOM, client=chat, body=TextBody("ä 漢字\n&<>"), idempotency_key="1")
tell("waiting")
tell("waits", digits(said(chat, after=receipt.id, wait=20)[0].text))
edit_message.sync(ROOM, receipt.id, client=chat, body=TextBody("漢字 ä\n<&>"), idempotency_key="2")
delete_message.sync(ROOM, receipt.id, client=chat, idempotency_key="3")
leave_room.sync(ROOM, seat.seat, client=chat)
