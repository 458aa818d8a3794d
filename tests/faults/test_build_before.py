"""Files of the build before are read by this one: the log of a room, and where the server listens.

They were written by commit cbc16db, the last before the modules were sorted into packages: a short talk with
an edit, a delete, a refused entry and a checkpoint. Machine, ports and token in ``server.json`` are made up.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from filelock import FileLock

from backends.tcp.client import TcpClient
from backends.tcp.server import TcpServer
from chat.background import server
from chat.background.server import Listening, Record
from chat.domain.errors import ConnectionLost
from chat.domain.model import Cursor, Event, Hello
from chat.interfaces.address import Address
from chat.server.hub import Hub
from chat.server.logs.sqlite import SqliteLog
from tests.support.people import Person

FILES = Path(__file__).parents[1] / "support" / "data" / "build_before"
SEAT_KEY = "qNnHWL8r5h7bp5fPbpTIIg"  # of ann, whose connection broke after her last draft, number 5
EPOCH = "8ecf348c-d5df-41ef-bd65-22d5301cdf4d"
TALK = [
    # seq, prev, kind, author, text, n, id
    (1, 0, "opened", "", EPOCH, 0, 0),
    (2, 1, "joined", "ann", "", 0, 0),
    (3, 2, "joined", "bob", "", 0, 0),
    (4, 3, "sent", "ann", "hello from the build before", 1, 4),
    (6, 4, "sent", "ann", "tpyo, größer 😀", 2, 6),  # 5 was refused, 7 is a checkpoint
    (8, 6, "edited", "ann", "typo, größer 😀", 3, 6),
    (9, 8, "sent", "ann", "oops", 4, 9),
    (10, 9, "deleted", "ann", "", 5, 9),
    (11, 10, "left", "bob", "", 0, 0),
]


def told(events: list[Event]) -> list[tuple[object, ...]]:
    return [(one.seq, one.prev, one.kind, one.author, one.text, one.n, one.id) for one in events]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub of this build on a copy of the log."""
    log = SqliteLog(Path(shutil.copy(FILES / "chat.sqlite3", tmp_path)))
    hub = Hub(log)
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def address(hub: Hub) -> AsyncIterator[Address]:
    tcp = TcpServer(hub, Address("127.0.0.1", 0))
    yield await tcp.start()
    await tcp.stop()


async def test_every_event_of_the_log_is_there(address: Address) -> None:
    client = TcpClient(address)
    await client.connect(Hello("lab", "eve"))
    page = await client.history(after=0, limit=50)
    assert told(page[: len(TALK)]) == TALK
    assert [(event.kind, event.author) for event in page[len(TALK) :]] == [("joined", "eve")]
    await client.close()


async def test_a_client_resumes_with_its_seat_its_cursor_and_its_messages(address: Address) -> None:
    client = TcpClient(address)
    ann = Person(client, await client.connect(Hello("lab", "ann", Cursor(10, EPOCH), seat_key=SEAT_KEY)))
    ann.listen()
    assert ann.welcome.epoch.startswith(f"{EPOCH}."), "with the name of this server's generation"
    assert ann.welcome.n == 5
    assert [member.nick for member in ann.welcome.members] == ["ann"]
    assert (await ann.say("oops", n=4)).seq == 9, "a draft that was sent then is not said twice"
    edit = await ann.edit(4, "hello from both builds", n=6)
    seen = await ann.knows(edit.seq)
    assert [(event.kind, event.author) for event in seen] == [("left", "bob"), ("edited", "ann")]
    await client.close()
    await ann.stop()


def test_the_record_of_a_running_server_is_read(state_dir: Path) -> None:
    state_dir.mkdir()
    shutil.copy(FILES / "server.json", state_dir)
    with FileLock(state_dir / "server.lock"):  # as the server holds it while it lives
        assert server.running(state_dir) == Record(
            pid=4711,
            instance="678c63805eeb129d",
            started=1795913731939,
            log="sqlite:chat.sqlite3",
            listening=(Listening("tcp", "127.0.0.1", 7010), Listening("udp", "127.0.0.1", 7011)),
            off={"grpc": "not installed"},
            access="sesame",
        )
        found = server.find(state_dir, "tcp", spawn=False)
        assert (found.address, found.access) == (Address("127.0.0.1", 7010), "sesame")
    with pytest.raises(ConnectionLost, match="no server of yours runs"):
        server.find(state_dir, "tcp", spawn=False)
