"""The log of a real server: it says who came, who left and who guesses, and nothing that is secret."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

import backends
from chat.domain.errors import AccessDenied
from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from tests.support.kit import QUICK
from tests.support.people import Person
from tests.support.processes import running

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")

TOKEN, WRONG, TEXT = "sesame-7-sesame-7", "sesame-8-sesame-8", "a line that is hers"
LABELS = [label for label in backends.techniques() if label.server and not label.missing()]


class Seen(NamedTuple):
    """What a server wrote, and what the clients know that it must not write."""

    errors: str
    keys: list[str]
    seats: dict[str, str]
    """Public names, by technique."""
    clients: list[ChatClient]
    """Kept: when the last of its clients is collected, gRPC's library stops a thread, and waits for it."""


async def visit(name: str, make: Callable[..., ChatClient], address: Address, seen: Seen) -> None:
    """Come in, speak, and go; and try another token."""
    client = make(address, QUICK)
    ann = Person(client, await client.connect(Hello("lab", name, access=TOKEN)))
    ann.listen()
    seen.keys.append(ann.welcome.seat_key)
    seen.seats[name] = ann.welcome.seat
    await ann.say(TEXT)
    await ann.client.close()
    await ann.stop()
    stranger = make(address, QUICK)
    seen.clients.extend((client, stranger))
    with pytest.raises(AccessDenied):
        await stranger.connect(Hello("lab", "eve", access=WRONG))
    await stranger.close()


@pytest.fixture
def makers() -> dict[str, Callable[..., ChatClient]]:
    """What makes a client of each technique: loaded before there is an event loop."""
    return {label.name: label.load_client() for label in LABELS}


@pytest.fixture(params=["json", "text"])
async def seen(request: pytest.FixtureRequest, makers: dict[str, Callable[..., ChatClient]]) -> Seen:
    """What a server of every technique wrote about one visitor of each."""
    ports = [word for label in LABELS for word in ("--port-of", f"{label.name}=0")]
    names = [label.name for label in LABELS]
    options = ["--log", "memory", "--json", "--log-level", "debug", "--log-format", request.param]
    seen = Seen("", [], {}, [])
    with running("serve", *names, *ports, *options, CHAT_TOKEN=TOKEN) as server:
        assert server.stdout is not None
        offers = [json.loads(server.stdout.readline()) for _ in LABELS]
        for label, offer in zip(LABELS, offers, strict=True):
            address = Address(offer["host"], offer["port"])
            await visit(label.name, makers[label.name], address, seen)
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=60)
    return seen._replace(errors=errors)


async def test_it_holds_neither_a_text_nor_a_token_nor_a_seat_key(seen: Seen) -> None:
    assert len(seen.keys) == len(LABELS)
    for secret in (TOKEN, WRONG, TEXT, *seen.keys):
        assert secret not in seen.errors
    assert "Traceback" not in seen.errors


def of(records: list[dict[str, Any]], name: str, technique: str) -> Iterator[dict[str, Any]]:
    return (one for one in records if one["record"] == name and one.get("technique") == technique)


@pytest.mark.parametrize("seen", ["json"], indirect=True)
async def test_it_says_of_each_technique_who_came_who_left_and_who_guessed(seen: Seen) -> None:
    records = [json.loads(line) for line in seen.errors.splitlines()]
    for label in LABELS:
        (joined,) = of(records, "joined", label.name)
        assert (joined["nick"], joined["room"], joined["peer"]) == (label.name, "lab", "127.0.0.1")
        (left,) = of(records, "left", label.name)
        assert left["code"] == "left"
        assert joined["seat"] == left["seat"] == seen.seats[label.name]
    guesses = [one for one in records if one["record"] == "wrong_token"]
    assert [one["peer"] for one in guesses] == ["127.0.0.1"] * len(LABELS)
    assert records[-1]["record"] == "stopping"


@pytest.mark.parametrize("seen", ["text"], indirect=True)
async def test_as_text_it_is_one_line_a_record(seen: Seen) -> None:
    lines = seen.errors.splitlines()
    for label in LABELS:
        assert f"{label.name} joined lab over {label.name}, from 127.0.0.1" in lines
        assert f"{label.name} left lab ({label.name}, left)" in lines
