"""``chat serve --workers``: one order for everybody, and a worker that is killed takes nothing with it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from chat.client.connect import Place, open_session
from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from tests.support.node import serving
from tests.support.processes import chat, chat_here, one_line, running
from tests.support.talker import Talker

if sys.platform != "linux":
    pytest.skip("connections are spread on Linux only", allow_module_level=True)

EACH = 2
"""People at each worker, at least."""
MOST = 60
LINES = 20
TIMEOUT = 60
LOG = ("--log-level", "info", "--log-format", "json")


def workers(server: subprocess.Popen[str]) -> dict[int, int]:
    """Return how many clients each worker has, by its process."""
    found = psutil.Process(server.pid).children()
    return {
        one.pid: sum(link.status == psutil.CONN_ESTABLISHED for link in one.net_connections("tcp"))
        for one in found
    }


def records(server: subprocess.Popen[str], name: str) -> dict[str, str]:
    """Return the next record of this kind."""
    assert server.stderr is not None
    while line := server.stderr.readline():
        record: dict[str, str] = json.loads(line)
        if record["record"] == name:
            return record
    raise AssertionError("the server has ended")


@pytest.fixture
def spreading(technique: Technique) -> Technique:
    if not technique.spreads:
        pytest.skip(f"{technique.name}: {why_not(technique)}")
    return technique


def why_not(technique: Technique) -> str:
    """Return why workers can't share the port of a technique that does not spread."""
    if technique.server is None:
        return "a broker is the server"
    if technique.traits.transport == "udp":
        return "a worker that ends would send the datagrams of the others' clients elsewhere"
    return "its clients may call over several connections"


@pytest.fixture
def served(spreading: Technique, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Address]]:
    log = f"sqlite:{tmp_path / 'log.sqlite3'}"
    with serving({spreading.name: 0}, "--workers", "2", "--log", log, *LOG) as (server, addresses):
        yield server, addresses[spreading.name]


class Room:
    """People who are at both workers."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self.server = server
        self.people: list[Talker] = []
        self.at: dict[int, list[Talker]] = {}
        """By the worker's process."""

    async def fill(self, place: Place, technique: Technique) -> None:
        before = await asyncio.to_thread(workers, self.server)
        self.at = {pid: [] for pid in before}
        while min(map(len, self.at.values())) < EACH:
            assert len(self.people) < MOST, "connections are not spread"
            self.people.append(Talker(open_session(place, technique, "lab", f"p{len(self.people)}")))
            await self.people[-1].inside()
            now = await asyncio.to_thread(workers, self.server)
            (here,) = (pid for pid in now if now[pid] > before[pid])
            self.at[here].append(self.people[-1])
            before = now

    async def have_all_in_one_order(self) -> None:
        """Everybody has the `LINES` of each, once, and in the same order."""
        for one in self.people:
            await one.until(LINES * len(self.people))
        seen = self.people[0].messages
        assert all(one.messages == seen for one in self.people)
        for one in self.people:
            nick = one.session.nick
            said = [text for _, text in seen if text.startswith(f"{nick} ")]
            assert said == [f"{nick} {number}" for number in range(LINES)]


@pytest.fixture
async def room(
    served: tuple[subprocess.Popen[str], Address], spreading: Technique, state_dir: Path
) -> AsyncIterator[Room]:
    server, address = served
    room = Room(server)
    async with asyncio.timeout(TIMEOUT):
        await room.fill(Place(str(address), state_dir), spreading)
        yield room
    await asyncio.gather(*(one.close() for one in room.people))


async def test_everybody_sees_one_order(room: Room) -> None:
    for number in range(LINES):
        for one in room.people:
            one.session.say(f"{one.session.nick} {number}")
    await room.have_all_in_one_order()


async def test_a_killed_worker_takes_nothing_with_it_and_nobody_else_notices(room: Room) -> None:
    killed, alive = room.at
    for number in range(LINES):
        for one in room.people:
            one.session.say(f"{one.session.nick} {number}")
        if number == LINES // 2:
            await room.at[alive][0].until(number)  # some lines are committed, and some under way
            os.kill(killed, signal.SIGKILL)
    await room.have_all_in_one_order()
    assert all(one.entered == 1 for one in room.at[alive])
    assert all(one.entered >= 2 for one in room.at[killed])
    assert all(len(one.seats) == 1 for one in room.people)
    assert "left" not in [event.kind for event in room.people[0].seen]


def test_another_process_takes_the_place_of_a_killed_worker_and_the_server_ends_in_order(
    tmp_path: Path,
) -> None:
    log = f"sqlite:{tmp_path / 'log.sqlite3'}"
    with serving({"tcp": 0}, "--workers", "2", "--log", log, *LOG) as (server, addresses):
        for _ in range(2):
            records(server, "ready")
        killed = next(iter(workers(server)))
        os.kill(killed, signal.SIGKILL)
        assert records(server, "worker_ended")["why"] == "SIGKILL"
        records(server, "ready")
        assert len(workers(server)) == 2
        assert killed not in workers(server)
        assert chat_here("send", "--server", str(addresses["tcp"]), "hello").returncode == 0
        family = psutil.Process(server.pid).children()
        server.terminate()
        assert server.wait(TIMEOUT) == 0
        assert not any(one.is_running() for one in family)


def test_workers_end_when_their_server_is_killed() -> None:
    with serving({"tcp": 0}, "--workers", "2", "--log", "memory") as (server, _):
        family = psutil.Process(server.pid).children()
        server.kill()
        gone, alive = psutil.wait_procs(family, TIMEOUT)
        assert len(gone) == 2
        assert not alive


def test_every_worker_takes_the_new_token(tmp_path: Path) -> None:
    old, new, file = "sesame-7-sesame-7", "sesame-8-sesame-8", tmp_path / "token"
    file.write_text(old)
    options = ("--workers", "2", "--log", "memory", "--token-file", str(file), *LOG)
    with serving({"tcp": 0}, *options) as (server, addresses):
        where = str(addresses["tcp"])
        assert chat_here("send", "--server", where, "hello", CHAT_TOKEN=old).returncode == 0
        file.write_text(new)
        server.send_signal(signal.SIGHUP)
        for _ in range(2):
            records(server, "reloaded")
        assert chat_here("send", "--server", where, "hello", CHAT_TOKEN=new).returncode == 0
        for _ in range(4):
            assert chat_here("send", "--server", where, "hello", CHAT_TOKEN=old).returncode == 1


def test_workers_serve_with_tls_and_the_first_one_serves_what_does_not_spread() -> None:
    options = ("serve", "tcp", "rest", "--workers", "2", "--tls", "auto", "--json", "--log", "memory")
    with running(*options, "--port-of", "tcp=0", "--port-of", "rest=0") as server:
        assert server.stdout is not None
        lines = [json.loads(server.stdout.readline()) for _ in range(3)]
        proof = next(line["fingerprint"] for line in lines if "fingerprint" in line)
        offers = {line["technique"]: f"{line['host']}:{line['port']}" for line in lines if "port" in line}
        for technique, where in offers.items():
            ends = chat(
                "send", "-b", technique, "--server", where, "--fingerprint", proof, "--as", "ann", "x"
            )
            assert ends.returncode == 0, ends.stderr


def test_a_port_that_another_server_shares_with_its_workers_is_in_use() -> None:
    with serving({"tcp": 0}, "--workers", "2", "--log", "memory") as (_, addresses):
        port = str(addresses["tcp"].port)
        second = chat("serve", "tcp", "--port", port, "--workers", "2", "--log", "memory")
        assert second.returncode == 1
        assert one_line(second.stderr)
        assert "is in use" in second.stderr


@pytest.mark.parametrize("name", ["udp", "oncrpc", "rest", "soap"])
def test_what_does_not_spread_is_refused_alone(name: str) -> None:
    done = chat_here("serve", name, "--port", "0", "--workers", "2", "--log", "memory")
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert f"{name}: several workers can't serve it" in done.stderr


@pytest.mark.parametrize(
    "option", [("--lan",), ("--admin-port", "0"), ("--faults",), ("--naive", "framing"), ("--broker",)]
)
def test_what_workers_do_not_go_with_is_wrong_usage(option: tuple[str, ...]) -> None:
    done = chat_here("serve", "tcp", "--workers", "2", *option)
    assert done.returncode == 2
    assert f"--workers and {option[0]} do not go together" in done.stderr
