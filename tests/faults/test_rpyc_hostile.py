"""What a stranger can do to a stock RPyC server, tried on one; and that the same does nothing to ours.

Each attack says whether it worked. It must work there, so that it is one, and must not work here, beside a
bystander who goes on talking.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, Popen

import psutil
import pytest
from rpyc.core import brine, consts

from backends.rpyc import codec
from backends.rpyc.codec import HEADER, Local, Raised, Remote, Request, Returned
from chat.interfaces.address import Address
from tests.support.processes import running
from tests.support.rpyc_peer import FUNCTION, RpycPeer

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads a process's peak memory from /proc, which Linux has"
)

MIB = 1024 * 1024
MUCH = 32 * MIB
"""Bytes of memory that nobody may cost a server with one message."""
BOUNDED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
runpy.run_module("lab.bench.textbook_rpyc", run_name="__main__")
"""


@dataclass
class Target:
    address: Address
    process: psutil.Process
    ours: bool

    async def stranger(self) -> RpycPeer:
        return await RpycPeer.open(self.address)

    async def enter(self, nick: object) -> tuple[RpycPeer, Returned | Raised]:
        peer = await self.stranger()
        args = (nick, "lab", FUNCTION) if self.ours else (nick, FUNCTION)
        return peer, await peer.call("login", *args)

    def peak(self) -> int:
        """Return the most bytes of memory that the process ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


@pytest.fixture
def stock_server() -> Iterator[Target]:
    """A stock server with bounds on what it can take from this machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Popen([sys.executable, "-c", BOUNDED, str(port)], stderr=DEVNULL) as process:
        try:
            while process.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.02)
            yield Target(Address("127.0.0.1", port), psutil.Process(process.pid), ours=False)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def our_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Our server, as its users start it: all attacks meet the same one."""
    serve = ("serve", "rpyc", "--port", "0", "--log", "memory", "--rate", "off", "--json")
    with running(*serve, CHAT_STATE_DIR=str(tmp_path_factory.mktemp("state"))) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        yield Target(Address("127.0.0.1", port), psutil.Process(process.pid), ours=True)


# --- the attacks ---------------------------------------------------------------------------------

Attack = Callable[[Target], Awaitable[bool]]
ATTACKS: dict[str, Attack] = {}


def attack(name: str) -> Callable[[Attack], Attack]:
    def add(function: Attack) -> Attack:
        ATTACKS[name] = function
        return function

    return add


async def answered(peer: RpycPeer, number: int) -> bool:
    """Say whether there is an answer that is no refusal; the end of the connection is one."""
    try:
        return isinstance(await peer.answer_to(number), Returned)
    except (EOFError, ConnectionError):
        return False


@attack("one request keeps the processor busy for long")
async def _(target: Target) -> bool:
    before = target.process.cpu_times().user
    async with await target.stranger() as peer:
        await answered(peer, await peer.begin(consts.HANDLE_CMP, 7, 3_000_000, "__pow__"))
    return target.process.cpu_times().user - before > 0.2


@attack("the server computes whatever it is given")
async def _(target: Target) -> bool:
    async with await target.stranger() as peer:
        return await answered(peer, await peer.begin(consts.HANDLE_CMP, 7, 1000, "__pow__"))


@attack("one request takes any amount of memory")
async def _(target: Target) -> bool:
    before = target.peak()
    async with await target.stranger() as peer:
        await answered(peer, await peer.begin(consts.HANDLE_CMP, "a", 50_000_000, "__mul__"))
    return target.peak() - before > MUCH


@attack("a small frame inflates to any size")
async def _(target: Target) -> bool:
    before = target.peak()
    bomb = zlib.compress(100 * MIB * b"\0", 9)
    async with await target.stranger() as peer:
        await peer.send(HEADER.pack(len(bomb), 1) + bomb + b"\n")
        await peer.end()
    return target.peak() - before > MUCH


@attack("a frame that claims 4 GB is kept as far as it comes")
async def _(target: Target) -> bool:
    before = target.peak()
    async with await target.stranger() as peer:
        await peer.send(HEADER.pack(2**32 - 1, 0))
        for _ in range(64):
            try:
                await peer.send(MIB * b"x")
            except ConnectionError:
                return False
        for _ in range(500):  # it takes a moment to read them
            if target.peak() - before > MUCH:
                return True
            await asyncio.sleep(0.01)
    return False


@attack("each silent connection costs a thread")
async def _(target: Target) -> bool:
    before = target.process.num_threads()
    silent = [await target.stranger() for _ in range(100)]
    async with await target.stranger() as last:  # whoever comes last finds all before it accepted
        await last.ask(consts.HANDLE_PING, "")
    threads = target.process.num_threads()
    for peer in silent:
        peer.writer.transport.abort()
    return threads - before >= 90


TEXT = Local(("builtins.str", 1, 99))
"""An object of the stranger's that says it is a str."""


@attack("an object passes for a text, and the stranger is asked about it")
async def _(target: Target) -> bool:
    peer, entered = await target.enter("eve")
    async with peer:
        assert isinstance(entered, Returned)
        return await answered(peer, await peer.begin_call("send", TEXT))


@attack("the server waits for a stranger's answer")
async def _(target: Target) -> bool:
    async with await target.stranger() as peer:
        peer.answer = peer.ignore
        args = (TEXT, "lab", FUNCTION) if target.ours else (TEXT, FUNCTION)
        await peer.begin_call("login", *args)
        return isinstance(await peer.message(), Request)


@attack("an exception of the stranger's choice leaves the server's code")
async def _(target: Target) -> bool:
    def exits(request: Request) -> bytes:
        return codec.raised(request.number, "builtins", "SystemExit", "")

    async with await target.stranger() as peer:
        peer.answer = exits
        args = (TEXT, "lab", FUNCTION) if target.ours else (TEXT, FUNCTION)
        answer = await peer.call("login", *args)
        return isinstance(answer, Raised) and answer.name == "SystemExit"


@attack("who does not read stops those who talk")
async def _(target: Target) -> bool:
    deaf, entered = await target.enter("deaf")
    assert isinstance(entered, Returned)
    deaf.stop_reading()
    bob, _ = await target.enter("bob")
    text = os.urandom(2000).hex() if target.ours else os.urandom(30_000).hex()
    async with deaf, bob:
        for _ in range(500):
            number = await bob.begin_call("send", text)
            try:
                # Only the stock server is judged by a clock: ours must answer, however long it takes.
                async with asyncio.timeout(None if target.ours else 2):
                    await bob.answer_to(number)
            except TimeoutError:
                return True
    return False


@attack("a refusal shows lines of the server's source")
async def _(target: Target) -> bool:
    async with await target.stranger() as peer:
        number = await peer.begin_call("send", 5)
        decoded: list[bytes] = []
        peer._messages, feed = [], peer._framer.feed
        while not decoded:
            decoded += feed(await peer.reader.read(65536))
        _, (_, _, _, traceback) = brine.load(decoded[0][1:])
        return number > 0 and "raise" in traceback


@attack("what is inside can be listed")
async def _(target: Target) -> bool:
    async with await target.stranger() as peer:
        root = await peer.value(consts.HANDLE_GETROOT)
        return await answered(peer, await peer.begin(consts.HANDLE_DIR, root))


@attack("memory addresses can be read")
async def _(target: Target) -> bool:
    async with await target.stranger() as peer:
        root = await peer.value(consts.HANDLE_GETROOT)
        answer = await peer.ask(consts.HANDLE_REPR, root)
        return isinstance(answer, Returned) and " at 0x" in answer.value


@attack("special methods can be called")
async def _(target: Target) -> bool:
    async with await target.stranger() as peer:
        root = await peer.value(consts.HANDLE_GETROOT)
        return await answered(peer, await peer.begin(consts.HANDLE_GETATTR, root, "__str__"))


@pytest.mark.parametrize("name", ATTACKS)
async def test_what_works_on_a_stock_server_does_nothing_to_ours(
    name: str, stock_server: Target, our_server: Target
) -> None:
    assert await ATTACKS[name](stock_server), "this is no attack: a stock server bears it"
    bystander, _ = await our_server.enter("bystander")
    async with bystander:
        talking = asyncio.create_task(talk(bystander))
        assert not await ATTACKS[name](our_server)
        talking.cancel()
        await asyncio.wait([talking])
        number = await bystander.begin_call("send", "all quiet")
        assert isinstance(await bystander.answer_to(number), Returned)
        await bystander.hears(kind="sent", text="all quiet")
        await bystander.call("leave")


async def talk(bystander: RpycPeer) -> None:
    """Talk for as long as the attack lasts, and read in every pause, as who falls far behind is cut."""
    while True:
        await bystander.answer_to(await bystander.begin(consts.HANDLE_PING, ""))
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                while True:
                    await bystander.message()


@pytest.mark.parametrize("name", ["__class__", "__init__", "__globals__", "_server", "exposed___class__"])
async def test_what_a_stock_server_refuses_ours_refuses_too(name: str, our_server: Target) -> None:
    async with await our_server.stranger() as peer:
        root = await peer.value(consts.HANDLE_GETROOT)
        assert isinstance(await peer.ask(consts.HANDLE_GETATTR, root, name), Raised)
        assert isinstance(await peer.ask(consts.HANDLE_PICKLE, root, 2), Raised)
        assert isinstance(await peer.ask(consts.HANDLE_SETATTR, root, name, 1), Raised)
        assert isinstance(await peer.ask(consts.HANDLE_CALL, Remote(("x", 1, 1)), ()), Raised)
