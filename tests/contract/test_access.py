"""Who may do what: every call of every technique, as the table in docs/security.md says.

The table is generated from `tests/support/data/access.toml`, which these tests compare with real servers.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from backends.rest.pages import CONTRACT
from backends.rpyc.service import METHODS
from backends.soap.service import Chat
from chat.domain.errors import ChatError
from chat.domain.model import Hello
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from protos import chat_pb2 as pb
from protos.chat_xdr import PROCEDURES
from tests.support.access_calls import CALLS, ID, YES, Caller
from tests.support.access_matrix import CREDENTIALS, MATRIX
from tests.support.kit import Connect, Serving
from tests.support.stage import says, settle

TOKEN, SECRET = "sesame-7-sesame-7", "a line that is hers"


def cells() -> list[Any]:
    return [
        pytest.param(technique, call, credential, id=f"{technique}-{call}-{credential}")
        for technique, (_, calls) in CALLS.items()
        for call in calls
        for credential in CREDENTIALS
    ]


async def seated(hub: Hub, room: str, nick: str, technique: str) -> HubSeat:
    return await hub.take_seat(Hello(room, nick, access=TOKEN), technique)


async def is_elsewhere(hub: Hub, came: bytes) -> bool:
    """Whether a call has changed or read the other room, and not read this one."""
    await settle()
    changed = (await hub.look("elsewhere", TOKEN)).head > ID
    return changed or (b"bob" in came and b"ann" not in came)


@pytest.mark.parametrize("access", [TOKEN], ids=[""])
@pytest.mark.parametrize(("technique", "call", "credential"), cells(), indirect=["technique"])
async def test_a_call_gets_what_the_table_says(
    technique: Technique, call: str, credential: str, server: Serving, hub: Hub
) -> None:
    other = "udp" if technique.name == "tcp" else "tcp"
    ann = await seated(hub, "lab", "ann", other if credential == "other technique's seat" else technique.name)
    bob = await seated(hub, "elsewhere", "bob", technique.name)
    await says(ann, SECRET, 1)
    await says(bob, "a line that is his", 1)
    head = ann.head
    shown = {"no token": "", "wrong token": TOKEN[:-1]}.get(credential, TOKEN)
    mine = {"token, no seat": None, "other room's seat": bob}.get(credential, ann)
    caller = Caller(
        server.address,
        "lab",
        mine.welcome.nick if mine else "eve",
        shown,
        mine.welcome.seat_key if mine else "",
        bare=mine is None,
    )
    outcome, came = await CALLS[technique.name][0](caller, call)
    events = await ann.history(after=head, before=None, limit=50)
    authors = {event.author for event in events if event.kind == "joined"}
    if outcome != YES:
        assert SECRET.encode() not in came
        assert not [event for event in events if event.author == "ann" or event.kind == "sent"]
        assert hub.find_seat(ann.welcome.seat_key)
    elif authors - {"ann"}:
        outcome = "as a new seat"
    elif mine is bob and not events and await is_elsewhere(hub, came):
        outcome = "in its room"
    assert outcome == MATRIX[technique.name][call][credential]


@pytest.mark.parametrize("access", [TOKEN], ids=[""])
@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("technique", ["rabbitmq"], indirect=True)
async def test_in_a_broker_the_token_is_its_password(connect: Connect, hub: Hub, credential: str) -> None:
    """There the broker decides about the connection, and about nothing else."""
    ann = await seated(hub, "lab", "ann", "tcp")
    bob = await seated(hub, "elsewhere", "bob", "tcp")
    shown = {"no token": "", "wrong token": TOKEN[:-1]}.get(credential, TOKEN)
    mine = {"token, no seat": None, "other room's seat": bob}.get(credential, ann)
    nick, key = (mine.welcome.nick, mine.welcome.seat_key) if mine else ("eve", "")
    try:
        welcome = (await connect(nick, access=shown, seat_key=key)).welcome
        outcome = "yes" if welcome.seat == ann.welcome.seat else "as a new seat"
    except ChatError as error:
        outcome = error.code
    assert outcome == MATRIX["rabbitmq"]["join"][credential]


def test_no_call_is_left_out() -> None:
    listed = {technique: set(calls) for technique, calls in MATRIX.items()}
    assert listed["rpyc"] == set(METHODS)
    assert listed["oncrpc"] == {procedure.name[5:] for procedure in PROCEDURES.values()}
    operations = re.findall(r'^        "operationId": "(\w+)"', CONTRACT.read_text(), re.MULTILINE)
    assert listed["rest"] - {"openapi.json"} == set(operations)
    assert listed["soap"] - {"WSDL"} == set(Chat.public_methods)
    frames = {field.name for field in pb.ClientFrame.DESCRIPTOR.fields} - {"ack"}  # an ack asks for nothing
    methods = {method.name for method in pb.DESCRIPTOR.services_by_name["ChatService"].methods} - {"Chat"}
    assert listed["grpc"] == {f"Chat: {name}" for name in frames} | methods | {"Health.Check"}
    for technique, (_, calls) in CALLS.items():
        assert listed[technique] == set(calls)
