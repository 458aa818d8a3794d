"""`chat serve --faults`: the wire fails for everybody, for a while, and only its owner can ask for it."""

from __future__ import annotations

import asyncio
import json
import re
import stat
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import backends
from chat.background import server
from chat.domain.errors import BadRequest
from chat.interfaces.address import Address
from lab.faults import for_all
from lab.faults.for_all import MAY, FaultsForAll, ask, split
from tests.support.foreign import Foreign
from tests.support.node import Run, until
from tests.support.processes import CHAT, chat

WAYS = ("tcp", "udp", "rest", "grpc")
SERVE = ("serve", *WAYS, *(word for name in WAYS for word in ("--port-of", f"{name}=0")))


@pytest.fixture
async def served(run: Run, state_dir: Path) -> AsyncIterator[Foreign]:
    serving = await run(*CHAT, *SERVE, "--faults")
    for name in WAYS:
        while not (await serving.line()).startswith(f"{name} "):
            pass
    yield serving
    await asyncio.to_thread(server.stop, state_dir)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner does not wait long for a server that does not answer."""
    monkeypatch.setattr(for_all, "PATIENCE", 0.5)


async def enter(run: Run, backend: str, nick: str) -> Foreign:
    terminal = await run(*CHAT, "--plain", "--no-spawn", "--backend", backend, "--as", nick)
    await until(terminal, f"* you are {nick} in room lab")
    return terminal


async def heard(terminal: Foreign, text: str) -> float:
    """Wait for a message; return how long."""
    start = time.monotonic()
    while not re.search(rf"\): {text}$", await terminal.line()):
        pass
    return time.monotonic() - start


@pytest.mark.usefixtures("served")
async def test_a_stall_holds_everybody_and_ends_by_itself(run: Run, state_dir: Path) -> None:
    people = [await enter(run, backend, f"on-{backend}") for backend in WAYS]
    done = await asyncio.to_thread(ask, state_dir, "stall 2s")
    assert done == "stall for 2 s on tcp, udp, rest, grpc"
    people[0].type("held for everybody")
    assert await heard(people[0], "held for everybody") >= 1
    for person in people[1:]:
        await heard(person, "held for everybody")
    assert await asyncio.to_thread(ask, state_dir, "off") == "there was no fault"


@pytest.mark.usefixtures("served")
async def test_who_only_asks_whether_it_may_begin_begins_nothing(state_dir: Path) -> None:
    done = await asyncio.to_thread(ask, state_dir, f"{MAY}stall 2s")
    assert done == "stall for 2 s on tcp, udp, rest, grpc"
    assert await asyncio.to_thread(ask, state_dir, "off") == "there was no fault"
    with pytest.raises(BadRequest):
        await asyncio.to_thread(ask, state_dir, f"{MAY}quake 5s")


@pytest.mark.usefixtures("served")
async def test_what_a_technique_cannot_suffer_is_left_out_with_the_reason(state_dir: Path) -> None:
    done = await asyncio.to_thread(ask, state_dir, "loss 0.5 30s")
    assert done.startswith(
        "loss 0.5 for 30 s on udp; not on tcp (tcp), rest (tcp), grpc (tcp): loss: a stream"
    )
    assert "udp: loss 0.5" in await asyncio.to_thread(ask, state_dir, "off")
    for wrong in ("loss", "stall 5 minutes", "stall 2h", "stall 90s", "quake 5s", ""):
        with pytest.raises(BadRequest):
            await asyncio.to_thread(ask, state_dir, wrong)


@pytest.mark.usefixtures("impatient")
async def test_without_the_switch_nobody_answers(run: Run, state_dir: Path) -> None:
    serving = await run(*CHAT, "serve", "tcp", "--port", "0")
    await serving.line()
    with pytest.raises(BadRequest, match="chat serve --faults"):
        await asyncio.to_thread(ask, state_dir, "stall 1s")
    left = await asyncio.to_thread(lambda: list(state_dir.glob("faults.*")))
    assert not left, "a later server would take it"
    await asyncio.to_thread(server.stop, state_dir)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of files")
@pytest.mark.usefixtures("impatient")
def test_only_the_owner_reaches_the_file(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700)

    def ask_in_vain() -> None:
        with pytest.raises(BadRequest):
            ask(state_dir, "stall 1s")

    asking = threading.Thread(target=ask_in_vain)
    asking.start()
    request = state_dir / "faults.request"
    while not request.exists():
        time.sleep(0.01)
    assert stat.S_IMODE(request.stat().st_mode) == 0o600
    assert json.loads(request.read_text())["text"] == "stall 1s"
    asking.join()


def test_whoever_lets_anybody_in_gets_no_faults() -> None:
    done = chat("serve", "tcp", "--port", "0", "--host", "0.0.0.0", "--open", "--faults")
    assert done.returncode == 2
    assert "leave out --open" in done.stderr


def test_with_tls_no_fault_reads_messages(tmp_path: Path) -> None:
    secured = FaultsForAll(tmp_path, encrypted=True)
    with pytest.raises(BadRequest, match="with TLS"):
        secured._parse("reply-lost", "tcp")


async def test_an_address_that_is_taken_leaves_the_other_addresses_of_a_technique(tmp_path: Path) -> None:
    front = await asyncio.to_thread(FaultsForAll, tmp_path)
    technique = backends.technique("tcp")
    greeted = asyncio.Event()

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        greeted.set()

    behind = await asyncio.start_server(greet, "127.0.0.1", 0)
    where = Address(*behind.sockets[0].getsockname())
    here = await front.open(technique, where, Address("127.0.0.1", 0))
    with pytest.raises(OSError, match=str(here.port)):
        await front.open(technique, where, here)
    _, writer = await asyncio.open_connection(here.host, here.port)
    await greeted.wait()
    writer.close()
    await writer.wait_closed()
    behind.close()
    await front.close()


def test_a_duration_is_told_from_an_argument() -> None:
    assert split("stall 5s") == ("stall", 5.0)
    assert split("stall") == ("stall", 10.0)
    assert split("latency 200ms±50ms 30s") == ("latency 200ms±50ms", 30.0)
    assert split("latency 200ms") == ("latency 200ms", 10.0)


def test_an_argument_may_be_left_out_where_the_fault_needs_none() -> None:
    assert split("reply-lost 5s") == ("reply-lost", 5.0)
    assert split("reply-lost") == ("reply-lost", 10.0)
    assert split("reply-lost join") == ("reply-lost join", 10.0)
    assert split("reply-lost join 5s") == ("reply-lost join", 5.0)
