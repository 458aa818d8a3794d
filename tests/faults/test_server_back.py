"""A server comes back after a kill: clients that were about to wait for long come in at once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

import backends
from chat.client.connect import Place, open_session
from tests.support.node import serving
from tests.support.talker import Talker

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="kills with a POSIX signal; on Windows nobody has tried it"
)
PUSH = [label for label in backends.techniques() if label.traits.push and label.server is not None]
AN_HOUR = 3600.0


async def test_all_push_clients_come_in_when_the_server_is_ready_again(
    monkeypatch: pytest.MonkeyPatch, state_dir: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("chat.client.reconnect.backoff", lambda failures, jitter: AN_HOUR)
    await asyncio.to_thread(state_dir.mkdir)
    log = f"sqlite:{tmp_path / 'chat.sqlite3'}"
    ports = dict.fromkeys((label.name for label in PUSH), 0)
    people: list[Talker] = []
    async with asyncio.timeout(100):
        first = serving(ports, "--log", log)
        process, addresses = await asyncio.to_thread(first.__enter__)
        for label in PUSH:
            await asyncio.to_thread(label.load_client)
            place = Place(str(addresses[label.name]), state_dir)
            people.append(Talker(open_session(place, label, "lab", label.name)))
            await people[-1].inside()
        process.kill()
        await asyncio.to_thread(first.__exit__, None, None, None)
        for one in people:
            await one.waits()
        again = serving({name: address.port for name, address in addresses.items()}, "--log", log)
        await asyncio.to_thread(again.__enter__)
        for one in people:
            await one.inside(times=2)
        await asyncio.gather(*(one.close() for one in people))
        await asyncio.to_thread(again.__exit__, None, None, None)
