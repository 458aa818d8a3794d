"""Real signals: a command leaves its room before it ends, and a server says why it ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from tests.support.processes import CHAT, PATIENCE, chat, running, serving, tail

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for other processes")

ENDING = [signal.SIGTERM, signal.SIGHUP]


def started(*arguments: str) -> subprocess.Popen[str]:
    """Start a command whose input stays open."""
    return subprocess.Popen(
        [*CHAT, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(events: list[dict[str, object]]) -> list[object]:
    return [event["author"] for event in events if event["kind"] == "left"]


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
@pytest.mark.parametrize("command", [["tail"], ["--plain"]], ids=" ".join)
def test_a_signal_gives_the_seat_back(command: list[str], number: signal.Signals) -> None:
    with serving("--log", "memory") as (_, address):
        with started(*command, "--server", address, "--as", "eve") as process:
            assert process.stdout is not None
            while "eve joined" not in process.stdout.readline():
                pass
            process.send_signal(number)
            _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (128 + number, "")
        assert left(tail("--server", address, "--as", "bob", "--count", "4")) == ["eve"]


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
def test_a_signal_ends_send_after_what_it_has_read(number: signal.Signals) -> None:
    with serving("--log", "memory") as (_, address), running("tail", "--server", address, "--json") as reader:
        assert reader.stdout is not None
        with started("send", "--server", address, "--as", "ann") as process:
            assert process.stdin is not None
            process.stdin.write("first\n")
            process.stdin.flush()
            while json.loads(reader.stdout.readline()).get("text") != "first":
                pass
            process.send_signal(number)
            process.wait(PATIENCE)
            assert process.returncode == 128 + number
        while (event := json.loads(reader.stdout.readline()))["kind"] != "left":
            assert event["kind"] == "joined"  # the reader's own, if it was slow


def test_send_names_the_line_that_a_signal_kept_from_being_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with started("send", "--server", address, "--as", "ann", "hello") as process:
            peer, _ = silent.accept()
            with peer, peer.makefile() as lines:
                assert json.loads(lines.readline())["kind"] == "hello"
                process.terminate()
                _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM
    assert errors.splitlines() == ["line 1 was not sent: the session ended"]


@pytest.mark.parametrize("command", ["demo", "bench fanout", "bench polls"])
def test_a_signal_ends_the_servers_of_what_shows_or_measures(command: str) -> None:
    with started(*command.split()) as process:
        servers: list[psutil.Process] = []
        while not servers:
            assert process.poll() is None
            every = psutil.process_iter(["ppid", "cmdline"])
            own = [one for one in every if one.info["ppid"] == process.pid]
            servers = [one for one in own if "serve" in (one.info["cmdline"] or [])]
            time.sleep(0.02)
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM
    assert not psutil.wait_procs(servers, PATIENCE)[1]


def test_under_nohup_a_server_goes_on() -> None:
    command = ["nohup", *CHAT, "serve", "tcp", "--port", "0", "--log", "memory", "--json"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        offer = json.loads(server.stdout.readline())
        os.kill(server.pid, signal.SIGHUP)
        address = f"127.0.0.1:{offer['port']}"
        assert chat("send", "--server", address, "--as", "ann", "hello").returncode == 0
        server.terminate()
        assert server.wait(PATIENCE) == 0
