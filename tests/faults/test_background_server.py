"""The background server: found without probing, started by whoever needs it, never twice."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import backends
from backends.tcp.client import TcpClient
from chat.background import server
from chat.background.ports import keep_ports, kept_ports
from chat.domain.model import Event, Hello
from chat.interfaces.address import Address
from tests.support.broker import address
from tests.support.processes import chat, chat_here, running

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="these tests kill with POSIX signals; on Windows nobody has tried them"
)


@pytest.fixture(autouse=True)
def ends(state_dir: Path) -> Any:
    """No server outlives its test."""
    yield
    server.stop(state_dir)


def record(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "server.json").read_text())
    return content


def said(folder: Path, spawn: bool = True, address: Address | None = None) -> list[str]:
    """Return what was said in room lab at the server that clients find, or at another one."""

    async def read(where: Address, access: str) -> list[Event]:
        client = TcpClient(where)
        await client.connect(Hello("lab", "reader", access=access))
        events = await client.history(after=0, limit=200)
        await client.close()
        return events

    found = server.Found(address, "") if address else server.find(folder, "tcp", spawn)
    events = asyncio.run(read(found.address, found.access))
    seqs = [event.seq for event in events]
    assert seqs == sorted(set(seqs))
    return [event.text for event in events if event.kind == "sent"]


def test_the_first_client_starts_it_and_stop_ends_it(state_dir: Path) -> None:
    assert chat_here("status").returncode == 1
    assert chat("send", "--as", "ann", "hello").returncode == 0
    shown = chat_here("status")
    assert shown.returncode == 0
    assert f"process {record(state_dir)['pid']}," in shown.stdout
    assert (state_dir.stat().st_mode & 0o777) == 0o700
    ended = chat_here("stop")
    assert ended.stdout == f"process {shown.stdout.split()[1].rstrip(',')} has ended\n"
    assert chat_here("status").returncode == 1
    assert said(state_dir) == ["hello"]  # history survives


def test_of_many_clients_one_starts_it(state_dir: Path) -> None:
    names = ["ann", "bob", "cat", "dan", "eve", "flo"]
    with ThreadPoolExecutor(len(names)) as pool:
        done = list(pool.map(lambda name: chat("send", "--as", name, f"from {name}"), names))
    assert [one.returncode for one in done] == [0] * len(names), [one.stderr for one in done]
    assert sorted(said(state_dir)) == [f"from {name}" for name in names]
    assert (state_dir / "server.log").read_text().count("tcp  ready") == 1


def test_a_killed_server_is_started_again_and_nothing_is_lost(state_dir: Path) -> None:
    assert chat("send", "--as", "ann", "before").returncode == 0
    first = record(state_dir)
    os.kill(first["pid"], signal.SIGKILL)
    assert chat("send", "--as", "ann", "after").returncode == 0
    assert record(state_dir)["instance"] != first["instance"]
    assert said(state_dir) == ["before", "after"]


def test_a_client_that_is_there_when_it_is_killed_goes_on(state_dir: Path) -> None:
    with running("tail", "--as", "reader", "--json") as reader:
        assert reader.stdout is not None
        epoch = json.loads(reader.stdout.readline())["epoch"]
        os.kill(record(state_dir)["pid"], signal.SIGKILL)
        assert chat("send", "--as", "ann", "after").returncode == 0
        events: list[dict[str, Any]] = []
        while not events or events[-1]["text"] != "after":
            events.append(json.loads(reader.stdout.readline()))
    assert {event["epoch"] for event in events} == {epoch}
    assert [(event["kind"], event["author"]) for event in events] == [
        ("joined", "reader"),  # once: the seat outlived its server
        ("joined", "ann"),
        ("sent", "ann"),
    ]


def test_a_server_that_was_stopped_is_not_started_again_by_who_had_it(state_dir: Path) -> None:
    with running("tail", "--as", "reader", "--json") as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        assert reader.stdout.readline()
        assert "has ended" in chat_here("stop").stdout
        said_why = ""
        while "was stopped" not in said_why:
            said_why = reader.stderr.readline()
        assert chat_here("status").returncode == 1
        assert chat("send", "--as", "ann", "a new client starts it").returncode == 0
        while json.loads(reader.stdout.readline())["kind"] != "sent":
            pass


def test_it_is_the_same_whatever_the_first_terminal_has_set(state_dir: Path) -> None:
    settings = {
        "CHAT_SERVE_LOG": "memory",
        "CHAT_SERVE_HOST": "0.0.0.0",
        "CHAT_TOKEN": "x",
        "CHAT_SERVE_FRESH": "1",
    }
    assert chat("send", "--as", "ann", "hello", **settings).returncode == 0
    started = record(state_dir)
    assert {one["host"] for one in started["listening"]} == {"127.0.0.1"}
    assert (started["log"], started["access"]) == (server.default_log(state_dir), "")
    assert chat_here("send", "--as", "bob", "from a terminal without").returncode == 0


def test_a_server_for_other_machines_lets_its_user_in_and_comes_back_only_by_hand(state_dir: Path) -> None:
    with running("serve", "--host", "0.0.0.0", "--port-of", "tcp=0", "--json") as serving:
        assert serving.stdout is not None
        token = json.loads(serving.stdout.readline())["access_token"]
        assert serving.stdout.readline()
        assert chat_here("send", "--as", "ann", "no token needed: it is mine").returncode == 0
        second = chat("serve", "--host", "0.0.0.0", "--json")
        assert second.returncode == 1
        assert second.stdout == ""  # no other token
        serving.kill()
        serving.wait()
        refused = chat_here("send", "--as", "ann", "hello?")
        assert refused.returncode == 1
        assert "start it again with chat serve --host 0.0.0.0" in refused.stderr
    with running("serve", "--host", "0.0.0.0", "--port-of", "tcp=0", "--json") as serving:
        assert serving.stdout is not None
        assert json.loads(serving.stdout.readline())["access_token"] == token


def test_a_taken_default_port_gets_a_free_one(state_dir: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody else has it: as good
            taken.bind(("127.0.0.1", 7010))
            taken.listen()
        assert chat("send", "--as", "ann", "hello").returncode == 0
    (port,) = (one["port"] for one in record(state_dir)["listening"] if one["technique"] == "tcp")
    assert port != 7010


def test_no_spawn_says_what_to_start(state_dir: Path) -> None:
    done = chat_here("send", "--no-spawn", "--as", "ann", "hello")
    assert done.returncode == 1
    assert done.stderr == (
        "line 1 was not sent: no server of yours runs on this machine: start one with chat serve\n"
    )
    assert not (state_dir / "server.json").exists()


def test_a_server_started_by_hand_is_the_one_that_clients_find(state_dir: Path) -> None:
    with running("serve", "tcp", "--port", "0") as serving:
        assert serving.stdout is not None
        assert "ready" in serving.stdout.readline()
        assert chat_here("send", "--no-spawn", "--as", "ann", "hello").returncode == 0
        second = chat("serve")
        assert second.returncode == 1
        assert f"process {serving.pid}" in second.stderr


def test_a_server_on_a_broker_is_the_one_that_clients_find(state_dir: Path, vhost: str) -> None:
    with running(
        "serve", "tcp", "rabbitmq", "--port-of", "tcp=0", "--broker", CHAT_AMQP_URL=vhost
    ) as serving:
        assert serving.stdout is not None
        assert "ready" in serving.stdout.readline()
        assert chat_here("send", "-b", "tcp", "--as", "ann", "over tcp").returncode == 0
        assert (
            chat_here("send", "-b", "rabbitmq", "--as", "bob", "in it", CHAT_AMQP_URL=vhost).returncode == 0
        )
        assert said(state_dir) == ["over tcp", "in it"]
        status = chat_here("status").stdout
        assert f"log in the broker at {address(vhost)}\n" in status
        assert (urlsplit(vhost).password or "") not in status + (state_dir / "server.json").read_text()
        serving.kill()
        serving.wait()
    gone = chat_here("send", "-b", "tcp", "--as", "ann", "and now?")
    assert "your server on a broker is gone: start it again with chat serve --broker" in gone.stderr
    assert chat_here("stop").returncode == 0
    assert chat("send", "-b", "tcp", "--as", "ann", "a log of its own").returncode == 0
    assert said(state_dir) == ["a log of its own"]


def test_beside_a_server_of_ones_own_one_on_a_broker_says_who_is_found(state_dir: Path, vhost: str) -> None:
    assert chat("send", "--as", "ann", "hello").returncode == 0
    first = record(state_dir)["pid"]
    with running("serve", "tcp", "--port", "0", "--broker", "--json", CHAT_AMQP_URL=vhost) as serving:
        assert serving.stdout is not None
        assert serving.stderr is not None
        offer = json.loads(serving.stdout.readline())
        assert said(state_dir) == ["hello"]
        there = f"{offer['host']}:{offer['port']}"
        assert chat_here("send", "--server", there, "--as", "ann", "there").returncode == 0
        assert said(state_dir, address=Address(offer["host"], offer["port"])) == ["there"]
        serving.terminate()
        told = serving.stderr.read()
    assert f"(process {first}): clients find that one; they reach this one with --server\n" in told
    assert record(state_dir)["pid"] == first


def test_it_ends_itself_when_nobody_is_there(state_dir: Path) -> None:
    with running("serve", "--background", "--idle", "0.2") as serving:
        assert serving.wait(20) == 0
    assert not (state_dir / "server.json").exists()


def test_fresh_sets_the_log_aside(state_dir: Path) -> None:
    assert chat("send", "--as", "ann", "old").returncode == 0
    chat_here("stop")
    with running("serve", "--fresh", "tcp", "--port", "0") as serving:
        assert serving.stdout is not None
        assert "ready" in serving.stdout.readline()
        assert said(state_dir, spawn=False) == []
    assert len(list(state_dir.glob("chat-2*.sqlite3"))) == 1


def test_a_damaged_log_is_refused_and_named(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700)
    (state_dir / "chat.sqlite3").write_bytes(b"this is no log, and was somebody's thesis" * 100)
    done = chat("send", "--as", "ann", "hello")
    assert done.returncode == 1
    assert str(state_dir / "chat.sqlite3") in done.stderr
    assert "--fresh" in done.stderr
    assert b"thesis" in (state_dir / "chat.sqlite3").read_bytes()


def test_a_state_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = chat_here("send", "--as", "ann", "hello", CHAT_STATE_DIR=str(tmp_path / "file" / "state"))
    assert done.returncode == 1
    assert "set CHAT_STATE_DIR" in done.stderr
    assert done.stderr.count("\n") == 1


# --- ports that are in use -----------------------------------------------------------------------


def ports(folder: Path) -> dict[str, int]:
    return {one["technique"]: one["port"] for one in record(folder)["listening"]}


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_a_port_that_it_took_instead_of_the_default_one_is_kept_over_restarts(
    state_dir: Path, end: str
) -> None:
    assert chat("send", "--as", "ann", "before").returncode == 0
    first = ports(state_dir)
    assert first["tcp"] != backends.technique("tcp").port, "the tests hold the default ports"
    if end == "killed":
        os.kill(record(state_dir)["pid"], signal.SIGKILL)
    else:
        assert chat_here("stop").returncode == 0
    assert chat("send", "--as", "ann", "after").returncode == 0
    assert ports(state_dir) == first


def test_a_kept_port_that_is_in_use_is_exchanged_for_another(state_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = taken.getsockname()[1]
        state_dir.mkdir(mode=0o700)
        keep_ports(state_dir, {"tcp": used})
        assert chat("send", "--as", "ann", "hello").returncode == 0
        assert ports(state_dir)["tcp"] not in (used, backends.technique("tcp").port)
    assert kept_ports(state_dir)["tcp"] == ports(state_dir)["tcp"]


def test_a_server_of_ones_own_starts_where_others_have_the_default_ports(state_dir: Path) -> None:
    with running("serve", "tcp") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        words = process.stdout.readline().split()
        port = ports(state_dir)["tcp"]
        assert words[1:3] == ["ready", f"127.0.0.1:{port}"]
        assert process.stderr.readline() == (
            f"chat: port 7010 is in use: tcp has port {port} here, also the next time\n"
        )


def test_every_text_shows_the_ports_of_my_server(state_dir: Path) -> None:
    unknown = chat_here("status", "--port", "tcp")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "no server of yours runs" in unknown.stderr
    assert "these are the default ports" in chat_here("techniques").stdout
    assert chat("send", "--as", "ann", "hello").returncode == 0
    table, sheet = chat_here("techniques").stdout, chat_here("explain").stdout
    for name, port in ports(state_dir).items():
        screen = chat_here("explain", name).stdout
        for text in (table, sheet, screen):
            assert re.search(rf"\b{port}\b", text), name
            assert not re.search(rf"\b{backends.technique(name).port}\b", text), name
            assert max(map(len, text.splitlines())) <= 80
        assert f"process {record(state_dir)['pid']}" in screen
        assert chat_here("status", "--port", name).stdout == f"{port}\n"
