"""People for the contract suite; the servers and connections under them are in tests/conftest.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.interfaces.technique import Technique
from tests.support.kit import Connect
from tests.support.people import Enter, Person


@pytest.fixture
async def enter(connect: Connect) -> AsyncIterator[Enter]:
    people: list[Person] = []

    async def enter(nick: str, room: str = "lab", *, listen: bool = True, **hello: Any) -> Person:
        people.append(Person(*await connect(nick, room, **hello)))
        if listen:
            people[-1].listen()
        return people[-1]

    yield enter
    for person in people:
        await person.stop()


@pytest.fixture
async def ann(enter: Enter, access: str) -> Person:
    return await enter("ann", access=access)


@pytest.fixture
async def bob(ann: Person, enter: Enter) -> Person:
    return await enter("bob")


@pytest.fixture
def ordered(technique: Technique) -> bool:
    return technique.traits.ordered
