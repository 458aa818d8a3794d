"""Room lab in a broker, as its clients' tests enter it."""

from __future__ import annotations

from typing import Any

from backends.rabbitmq.client import RabbitClient
from chat.domain.model import Hello, Limits
from chat.interfaces.client import ChatClient, ClientOptions
from tests.support.broker import address
from tests.support.people import Person


class Enter:
    """Lets people in, and closes their clients in the end."""

    def __init__(self, url: str, limits: Limits) -> None:
        self.address = address(url)
        self._limits = limits
        self._clients: list[ChatClient] = []
        self._people: list[Person] = []

    async def __call__(self, nick: str, mode: str = "stream", **hello: Any) -> Person:
        client = RabbitClient(self.address, ClientOptions(settings={"mode": mode}))
        client.limits = self._limits
        self._clients.append(client)
        person = Person(client, await client.connect(Hello("lab", nick, **hello)))
        person.listen()
        self._people.append(person)
        return person

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        for person in self._people:
            await person.stop()
