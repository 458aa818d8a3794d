"""What travels in the clear without TLS: the table in docs/security.md, compared with the wire."""

from __future__ import annotations

import re
from base64 import b64decode
from urllib.parse import unquote, urlsplit

import pytest

from chat.domain.model import Hello
from chat.interfaces.technique import Technique
from tests.support.kit import QUICK, Serving
from tests.support.people import Person
from tests.support.relay import relay_to
from tests.support.threats import CLEAR, WIRE

TOKEN = "sesame-7-on-the-wire"


@pytest.mark.parametrize("access", [TOKEN], ids=[""])
async def test_what_travels_in_the_clear(technique: Technique, server: Serving, access: str) -> None:
    relay = relay_to(server.address, technique)
    await relay.start()
    client = technique.load_client()(relay.address, QUICK)
    welcome = await client.connect(Hello("lab", "ann", access=access))
    person = Person(client, welcome)
    person.listen()
    await person.say("hello")
    await client.close()
    await person.stop()
    await relay.stop()
    seen = relay.up + relay.down
    secret = unquote(
        urlsplit(relay.address.url).password or access
    )  # a broker's password may stand in its URL
    told = WIRE[technique.name]
    assert (secret.encode() in decoded(seen)) == (told.token == CLEAR)
    assert (welcome.seat_key.encode() in decoded(seen)) == (told.seat_key == CLEAR)


def decoded(seen: bytes) -> bytes:
    """Return the bytes, and behind them those that HTTP's Basic scheme (RFC 7617) only wraps."""
    return seen + b"".join(b64decode(found[1]) for found in re.finditer(rb"Basic ([A-Za-z0-9+/=]+)", seen))
