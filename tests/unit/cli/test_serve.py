"""``chat serve``: where it listens, who is let in, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

import backends
from tests.support.processes import chat, chat_here, one_line, running, serving, tail

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")


def test_serve_says_where_it_listens_and_how_to_join() -> None:
    with running("serve", "tcp", "--port", "0", "--log", "memory") as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
    assert words[:2] == ["tcp", "ready"]
    assert words[3:] == ["join:", "chat", "--backend", "tcp", "--server", words[2]]


def test_a_taken_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = chat("serve", "tcp", "--log", "memory", "--port", str(port))
    assert done.returncode == 1
    assert f"127.0.0.1:{port} is in use" in done.stderr
    assert one_line(done.stderr)


def test_a_short_access_token_is_refused() -> None:
    done = chat("serve", "tcp", "--port", "0", "--log", "memory", CHAT_TOKEN="sesame7")
    assert done.returncode == 1
    assert "at least 8 are needed" in done.stderr


def test_an_address_that_others_reach_gets_an_access_token() -> None:
    with running("serve", "tcp", "--port", "0", "--host", "0.0.0.0", "--log", "memory", "--json") as process:
        assert process.stdout is not None
        token = json.loads(process.stdout.readline())["access_token"]
        address = f"127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        refused = chat("send", "--server", address, "--as", "eve", "let me in")
        assert refused.returncode == 1
        assert "requires an access token" in refused.stderr
        assert chat("send", "--server", address, "--as", "ann", "hello", CHAT_TOKEN=token).returncode == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "localhost"])
def test_the_join_lines_work_as_they_are_printed(host: str) -> None:
    if ":" in host and not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    labels = [label for label in backends.techniques() if label.server and not label.missing()]
    ports = [word for label in labels for word in ("--port-of", f"{label.name}=0")]
    names = [label.name for label in labels]
    with running("serve", *names, *ports, "--host", host, "--open", "--log", "memory") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in labels]
        for name, _, address, join, command, *options in lines:
            assert (join, command) == ("join:", "chat"), address
            done = chat_here("send", *options, "--as", name, f"over {name}")
            assert (done.returncode, done.stderr) == (0, ""), (host, options)


def test_the_rate_is_paced_and_nothing_is_dropped() -> None:
    texts = [str(number) for number in range(60)]  # more than the burst of 50
    with serving("--log", "memory") as (_, address):
        done = chat("send", "--server", address, "--as", "ann", input="\n".join(texts))
        assert (done.returncode, done.stderr) == (0, "")
        events = tail("--server", address, "--as", "eve", "--count", "62")
    assert [event["text"] for event in events if event["kind"] == "sent"] == texts


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_server_cleanly_and_its_clients_are_told(tmp_path: Path, number: int) -> None:
    log = f"sqlite:{tmp_path / 'log.sqlite3'}"
    with serving("--log", log) as (server, address):
        assert chat("send", "--server", address, "--as", "ann", "remember").returncode == 0
        with socket.create_connection(tuple(address.split(":"))) as raw:  # type: ignore[arg-type]  # a str port will do
            raw.sendall(b'{"kind":"hello","nick":"bob"}\n')
            lines = raw.makefile()
            assert json.loads(lines.readline())["kind"] == "welcome"
            os.kill(server.pid, number)
            assert server.wait(3) == 0
            last = lines.readlines()[-1]
            assert json.loads(last)["code"] == "closing"
    with serving("--log", log) as (_, address):
        events = tail("--server", address, "--as", "eve", "--count", "3")
        assert events[-1]["text"] == "remember"


def test_a_second_server_on_a_log_names_the_first(tmp_path: Path) -> None:
    log = f"sqlite:{tmp_path / 'log.sqlite3'}"
    with serving("--log", log) as (server, _):
        done = chat("serve", "tcp", "--port", "0", "--log", log)
    assert done.returncode == 1
    assert str(server.pid) in done.stderr
    assert one_line(done.stderr)
