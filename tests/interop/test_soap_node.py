"""The node-soap client on the wire: what WS-Security shows of the access token."""

from __future__ import annotations

import re

from tests.support.node import Start, serving
from tests.support.relay import Relay


async def test_the_access_token_itself_never_crosses_the_wire(start: Start) -> None:
    token = "the key of the house"
    with serving({"soap": 0}, "--log", "memory", CHAT_TOKEN=token) as (_, addresses):
        relay = Relay(addresses["soap"])
        await relay.start()
        node = await start("soap", relay.address, "node", CHAT_TOKEN=token)
        node.type("hello", "/who")
        assert await node.over() == (0, [])
        await relay.stop()
    assert token.encode() not in relay.up
    nonces = re.findall(rb"<wsse:Nonce[^>]*>([^<]+)<", relay.up)
    assert len(nonces) == relay.up.count(b"POST /soap ") > 4, "every call proves it"
    assert len(set(nonces)) == len(nonces), "and none like another"
