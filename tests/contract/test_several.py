"""Several servers, for the techniques whose clients can choose among them."""

from __future__ import annotations

import pytest

import backends
from chat.domain.errors import ConnectionLost
from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from tests.support.kit import Serving
from tests.support.people import Enter, Person


@pytest.fixture(params=[label.name for label in backends.techniques() if label.several])
def technique(request: pytest.FixtureRequest) -> Technique:
    return backends.technique(request.param)


@pytest.mark.parametrize("gone", [0, 1])
async def test_where_one_is_gone_the_other_is_taken(
    technique: Technique, hub: Hub, server: Serving, enter: Enter, gone: int
) -> None:
    ann = await enter("ann")
    second = technique.load_server()(hub, Address("127.0.0.1", 0))
    both = [server.address, await second.start()]
    third = technique.load_server()(hub, Address("127.0.0.1", 0))
    left = await third.start()
    await third.stop()
    both[gone] = left
    client = technique.load_client()(both[0], ClientOptions(also=(both[1],)))
    bob = Person(client, await client.connect(Hello("lab", "bob")))
    bob.listen()
    said = await bob.say("somebody was there")
    assert (await ann.knows(said.seq))[-1].author == "bob"
    assert [member.nick for member in await bob.client.members()] == ["ann", "bob"]
    await client.close()
    await bob.stop()
    await second.stop()


async def test_where_all_are_gone_that_is_said(technique: Technique, hub: Hub) -> None:
    addresses = []
    for _ in range(2):
        server = technique.load_server()(hub, Address("127.0.0.1", 0))
        addresses.append(await server.start())
        await server.stop()
    client = technique.load_client()(addresses[0], ClientOptions(also=(addresses[1],)))
    with pytest.raises(ConnectionLost):
        await client.connect(Hello("lab", "ann"))
    await client.close()
