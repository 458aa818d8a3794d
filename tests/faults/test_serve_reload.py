"""SIGHUP: a real server reads its token and its certificate again, or ends with its terminal."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from chat.background import server as background
from tests.support.processes import CHAT, PATIENCE, chat_here, running

if sys.platform == "win32":
    pytest.skip("Windows has no SIGHUP and no pseudo-terminal", allow_module_level=True)

import fcntl
import pty
import termios

OLD, NEW = "sesame-7-sesame-7", "sesame-8-sesame-8"
LOG = ("--log-level", "info", "--log-format", "json")


class Server:
    """A server of tcp whose log is read record by record."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        offer = json.loads(process.stdout.readline())
        self.address = f"{offer['host']}:{offer['port']}"
        self.place = (offer["host"], offer["port"])

    def until(self, *names: str) -> dict[str, Any]:
        """Return the next record with one of these names."""
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            record: dict[str, Any] = json.loads(line)
            if record["record"] in names:
                return record
        raise AssertionError("the server has ended")

    def hang_up(self) -> dict[str, Any]:
        """Send SIGHUP; return what the server says of it."""
        self.process.send_signal(signal.SIGHUP)
        return self.until("reloaded", "not_reloaded")


def enters(server: Server, token: str, *options: str) -> bool:
    done = chat_here("send", "--server", server.address, "--as", "ann", *options, "hello", CHAT_TOKEN=token)
    assert done.returncode == 0 or "access token is wrong" in done.stderr, done.stderr
    return done.returncode == 0


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{OLD}\n")
    return file


@pytest.fixture
def server(token_file: Path) -> Iterator[Server]:
    options = ("--port", "0", "--log", "memory", "--json", *LOG, "--token-file", str(token_file))
    with running("serve", "tcp", *options) as process:
        yield Server(process)


def test_the_token_is_read_again_and_who_is_there_goes_on(server: Server, token_file: Path) -> None:
    with socket.create_connection(server.place) as raw, raw.makefile("rw", encoding="utf-8") as lines:
        print(json.dumps({"kind": "hello", "nick": "bob", "access": OLD}), file=lines, flush=True)
        assert json.loads(lines.readline())["kind"] == "welcome"
        token_file.write_text(NEW)
        assert server.hang_up()["what"] == "the token"
        assert not enters(server, OLD)
        assert enters(server, NEW)
        print(json.dumps({"kind": "say", "text": "still here"}), file=lines, flush=True)
        while json.loads(lines.readline()).get("text") != "still here":
            pass


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), ("", "is empty"), ("short", "at least 8")], ids=str
)
def test_a_token_file_that_can_not_be_used_changes_nothing(
    server: Server, token_file: Path, content: str | None, why: str
) -> None:
    token_file.unlink() if content is None else token_file.write_text(content)
    told = server.hang_up()
    assert told["record"] == "not_reloaded"
    assert why in told["reason"]
    assert enters(server, OLD)


def test_your_own_clients_find_the_new_token(token_file: Path, state_dir: Path) -> None:
    options = ("--port", "0", "--json", *LOG, "--token-file", str(token_file))
    with running("serve", "tcp", *options) as process:
        server = Server(process)
        before = background.running(state_dir)
        token_file.write_text(NEW)
        server.hang_up()
        after = background.running(state_dir)
        assert before is not None
        assert after is not None
        assert (before.access, after.access) == (OLD, NEW)
        assert (before.instance, before.listening) == (after.instance, after.listening)
        assert chat_here("send", "--as", "ann", "hello").returncode == 0


def issue(authority: trustme.CA, folder: Path) -> str:
    """Write a certificate and its key; return the certificate."""
    made = authority.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(folder / "server.key")
    made.cert_chain_pems[0].write_to_path(folder / "server.pem")
    return made.cert_chain_pems[0].bytes().decode()


def test_the_certificate_is_read_again_and_a_damaged_one_changes_nothing(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    first = issue(authority, tmp_path)
    tls = ("--tls-cert", str(tmp_path / "server.pem"), "--tls-key", str(tmp_path / "server.key"))
    with running("serve", "tcp", "--port", "0", "--log", "memory", "--json", *LOG, *tls) as process:
        server = Server(process)
        assert ssl.get_server_certificate(server.place) == first
        second = issue(authority, tmp_path)
        assert server.hang_up()["what"] == "the certificate"
        assert ssl.get_server_certificate(server.place) == second
        (tmp_path / "server.key").write_text("no key")
        assert "not a certificate and its key" in server.hang_up()["reason"]
        assert ssl.get_server_certificate(server.place) == second
        assert enters(server, "", "--ca", str(tmp_path / "ca.pem"))


def test_a_server_without_files_and_without_a_terminal_goes_on() -> None:
    with running("serve", "tcp", "--port", "0", "--log", "memory", "--json", *LOG) as process:
        server = Server(process)
        assert server.hang_up()["what"].startswith("nothing")
        assert enters(server, "")


@pytest.mark.parametrize("with_file", [False, True], ids=["no file", "with a file"])
def test_a_server_ends_with_its_terminal_and_says_why(token_file: Path, with_file: bool) -> None:
    options = ["--token-file", str(token_file)] if with_file else []
    ours, end = pty.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(end, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        [*CHAT, "serve", "tcp", "--port", "0", "--log", "memory", "--json", *options],
        stdin=end,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=take_terminal,
    ) as process:
        os.close(end)
        Server(process)
        os.close(ours)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGHUP
    assert "the terminal that it ran in was closed (SIGHUP)" in errors
    assert "nohup" in errors


def test_a_service_manager_is_told_how_it_is(tmp_path: Path, token_file: Path) -> None:
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place))
        manager.settimeout(PATIENCE)
        options = ("--port", "0", "--log", "memory", "--json", *LOG, "--token-file", str(token_file))
        with running("serve", "tcp", *options, NOTIFY_SOCKET=str(place)) as process:
            server = Server(process)
            assert manager.recv(100) == b"READY=1"
            server.hang_up()
            assert manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(100) == b"READY=1"
            process.terminate()
            assert manager.recv(100) == b"STOPPING=1"
