"""The admin port of a real server: what it answers, and to whom."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

import backends
from chat.domain.errors import ChatError
from chat.interfaces.address import Address
from chat.server.admin import AdminServer
from chat.server.hub import Hub
from tests.support.processes import chat, chat_here, one_line, running
from tests.support.stage import Disk, enter, says
from tests.support.stage import running as hub_on

NAMES = [label.name for label in backends.techniques() if label.server and not label.missing()]


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    """Return the status, the content type and the body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("content-type", ""), answer.read().decode()
    finally:
        connection.close()


@contextmanager
def serving(
    *options: str, names: Sequence[str]
) -> Iterator[tuple[subprocess.Popen[str], dict[str, str], int]]:
    """Run a server of these techniques; yield it, its addresses by technique, and its admin port."""
    ports = [word for name in names for word in ("--port-of", f"{name}=0")]
    with running("serve", *names, *ports, *options, "--json", "--admin-port", "0") as server:
        assert server.stdout is not None
        offers = [json.loads(server.stdout.readline()) for _ in names]
        admin = json.loads(server.stdout.readline())["admin"]
        assert admin["host"] == "127.0.0.1"
        yield server, {one["technique"]: f"{one['host']}:{one['port']}" for one in offers}, admin["port"]


def test_prometheus_reads_what_happened_with_each_technique(tmp_path: Path) -> None:
    with serving("--log", f"sqlite:{tmp_path / 'log.sqlite3'}", names=NAMES) as (_, addresses, port):
        for name, address in addresses.items():
            me = ("--as", f"{name}-nick", "--room", "secret-room")
            assert chat("send", "-b", name, "--server", address, *me, "a line of hers").returncode == 0
        for accept, read in ("*/*", read_text), ("application/openmetrics-text", read_openmetrics):
            status, kind, text = ask(port, "/metrics", Accept=accept)
            assert status == 200
            assert ("openmetrics" in kind) == ("openmetrics" in accept)
            found = {
                (one.name, *(one.labels[label] for label in sorted(one.labels))): one.value
                for family in read(text)
                for one in family.samples
            }
            for name in addresses:
                assert found["chat_joins_total", name] == 1
                assert found["chat_leaves_total", "left", name] == 1
            assert found["chat_entries_total",] == 1 + 3 * len(addresses)
            assert found["chat_commit_seconds_count",] > 0
            assert found["chat_latency_seconds_count",] > 0
            assert found["chat_rooms",] == 1
        for private in ("a line of hers", "secret-room", "-nick", "127.0.0.1"):
            assert private not in text


@pytest.fixture(scope="module")
def admin_port() -> Iterator[int]:
    """The admin port of a server in which nothing happens."""
    with serving("--log", "memory", names=["tcp"]) as (_, _, port):
        yield port


def test_only_reading_is_allowed_and_there_is_nothing_else(admin_port: int) -> None:
    assert ask(admin_port, "/healthz") == (200, "text/plain; charset=utf-8", "ready\n")
    assert ask(admin_port, "/healthz", "HEAD")[::2] == (200, "")
    assert ask(admin_port, "/healthz", "POST")[0] == 405
    assert ask(admin_port, "/")[0] == 404


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("Host", "rebound.example.com", 421), ("Origin", "https://example.com", 403)],
)
def test_a_web_page_can_not_read_it(header: str, value: str, status: int, admin_port: int) -> None:
    assert ask(admin_port, "/metrics", **{header: value})[0] == status


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com"])
def test_others_can_not_reach_it(host: str) -> None:
    done = chat_here("serve", "tcp", "--port", "0", "--log", "memory", "--admin-port", f"{host}:9100")
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert "for this machine only" in done.stderr


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = chat_here("serve", "tcp", "--port", "0", "--log", "memory", "--admin-port", str(port))
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert f"127.0.0.1:{port}, the admin port" in done.stderr


async def healthz(hub: Hub) -> int:
    """Ask the admin server's application, which runs on this loop."""
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    server = AdminServer(hub, Address("127.0.0.1", 0), {})
    scope = {"type": "http", "method": "GET", "path": "/healthz", "headers": []}
    await server.application()(scope, lambda: None, send)  # type: ignore[arg-type, return-value]
    status = sent[0]["status"]
    assert isinstance(status, int)
    return status


async def test_a_server_that_stores_nothing_is_not_ready() -> None:
    disk = Disk()
    async with hub_on(disk) as hub:
        seat = await enter(hub)
        assert await healthz(hub) == 200
        disk.full = True
        await says(seat, "hello", 1)
        assert await healthz(hub) == 503


async def test_the_server_itself_refuses_an_address_that_others_reach() -> None:
    async with hub_on(Disk()) as hub:
        with pytest.raises(ChatError):
            await AdminServer(hub, Address("0.0.0.0", 0), {}).start()
