"""Another access token while the server runs: seats go on, and whoever comes needs the new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import backends
from chat.domain.errors import AccessDenied, ChatError
from chat.domain.model import Cursor
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from chat.server.renewal import Renewable, Secrets, renew
from tests.support.kit import Connect, Serving
from tests.support.people import Person

OLD, NEW = "sesame-7-sesame-7", "sesame-8-sesame-8"

pytestmark = pytest.mark.parametrize("access", [OLD], ids=[""])


@pytest.fixture(params=[label.name for label in backends.techniques() if label.server])
def technique(request: pytest.FixtureRequest) -> Technique:
    label = backends.technique(request.param)
    label.load_client()  # here and not on the loop: an import reads files
    label.load_server()
    return label


async def rotate(hub: Hub, server: Serving, token: str = NEW) -> None:
    source = Renewable(("the token",), lambda: Secrets(token, None))
    await renew(source, hub, {"": server.server})


async def seated(connect: Connect, nick: str, token: str) -> Person:
    person = Person(*await connect(nick, access=token))
    person.listen()
    return person


async def test_who_has_a_seat_goes_on_and_newcomers_need_the_new_token(
    connect: Connect, server: Serving, hub: Hub
) -> None:
    ann = await seated(connect, "ann", OLD)
    await ann.say("before")
    await rotate(hub, server)
    with pytest.raises(AccessDenied):
        await connect("eve", access=OLD)
    bob = await seated(connect, "bob", NEW)
    await bob.say("from bob")
    await ann.hears("from bob")
    await ann.say("after")
    await bob.hears("after")
    for person in (ann, bob):
        await person.client.close()
        await person.stop()
    assert hub.seats == 0, "both could leave"


async def test_after_two_changes_both_earlier_seats_go_on(
    connect: Connect, server: Serving, hub: Hub
) -> None:
    ann = await seated(connect, "ann", OLD)
    await rotate(hub, server)
    bob = await seated(connect, "bob", NEW)
    await rotate(hub, server, "sesame-9-sesame-9")
    for person in (ann, bob):
        await person.say(f"{person.nick} goes on")
    await ann.hears("bob goes on")
    for person in (ann, bob):
        await person.stop()


async def test_who_comes_back_needs_the_new_token(connect: Connect, server: Serving, hub: Hub) -> None:
    ann = await seated(connect, "ann", OLD)
    await ann.stop()
    await ann.client.close(leave=False)
    await rotate(hub, server)
    cursor = Cursor(ann.welcome.head, ann.welcome.epoch)
    back: dict[str, Any] = {"seat_key": ann.welcome.seat_key, "cursor": cursor}
    with pytest.raises(AccessDenied):
        await connect("ann", access=OLD, **back)
    _, welcome = await connect("ann", access=NEW, **back)
    assert welcome.seat == ann.welcome.seat


async def test_a_file_that_can_not_be_used_changes_nothing(
    connect: Connect, server: Serving, hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def read() -> Secrets:
        raise ChatError("the token file is empty")

    await renew(Renewable(("the token",), read), hub, {"": server.server})
    assert "the token file is empty; the server goes on with" in caplog.text
    with pytest.raises(AccessDenied):
        await connect("eve", access=NEW)
    await connect("bob", access=OLD)
