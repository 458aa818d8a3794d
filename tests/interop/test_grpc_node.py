"""The chat client in Node: another language, another gRPC library, the same contract and the same room."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.support.ports import own_port
from tests.support.processes import PATIENCE, chat, running, tail


@pytest.fixture
def program(node_program: Callable[[str], Path]) -> Path:
    """Return the client in a copy of its folder, with what it needs installed there."""
    return node_program("grpc")


class Node:
    """The client as a process; what it prints is read line by line."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **environment},
        )
        self.printed: list[str] = []

    def type(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.writelines(f"{line}\n" for line in lines)
        self.process.stdin.flush()

    def until(self, wanted: str) -> str:
        """Read until a line holds this; return that line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line.rstrip("\n"))
            if wanted in line:
                return self.printed[-1]
        raise AssertionError(f"it ended without {wanted!r}: {self.printed} {self.process.communicate()[1]}")

    def ends(self) -> tuple[int, str]:
        """End its input and wait; return the exit code and what it said on stderr."""
        rest, errors = self.process.communicate(timeout=PATIENCE)
        self.printed += rest.splitlines()
        return self.process.returncode, errors


Start = Callable[..., Node]


@pytest.fixture
def start(program: Path) -> Iterator[Start]:
    """Return what starts a client; whatever still runs when the test is over is ended."""
    started: list[Node] = []

    def start(address: str, nick: str, **environment: str) -> Node:
        started.append(Node(["node", str(program), address, nick], environment))
        return started[-1]

    yield start
    for node in started:
        node.process.kill()
        node.process.communicate()


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run ``chat serve``; yield the process and the address of each technique."""
    with running("serve", "--json", *arguments, **environment) as process:
        assert process.stdout is not None
        addresses = {}
        for _ in range(sum(argument in ("grpc", "tcp") for argument in arguments)):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            offer = json.loads(line)
            addresses[offer["technique"]] = f"{offer['host']}:{offer['port']}"
        yield process, addresses


@pytest.fixture
def addresses() -> Iterator[dict[str, str]]:
    """A server for both: Node comes by gRPC, everybody else by TCP."""
    ports = ("--port-of", "grpc=0", "--port-of", "tcp=0")
    with serving("grpc", "tcp", *ports, "--log", "memory") as (_, addresses):
        yield addresses


def number_in(line: str) -> str:
    """Return a message's id from its line: ``[17] ann (tcp): hi``."""
    return line[1 : line.index("]")]


# --- talking -------------------------------------------------------------------------------------


def test_node_hears_what_is_said_and_is_heard(start: Start, addresses: dict[str, str]) -> None:
    node = start(addresses["grpc"], "node")
    node.until("* node joined (grpc)")
    done = chat("send", "--server", addresses["tcp"], "--as", "ann", "Grüße aus TCP 🐟")
    assert done.returncode == 0, done.stderr
    node.until("ann (tcp): Grüße aus TCP 🐟")
    node.until("* ann left (tcp)")
    node.type("Grüße zurück 🐙", "//quit is no command here")
    assert node.ends() == (0, "")
    events = tail("--server", addresses["tcp"], "--as", "eve", "--count", "9")
    assert [(one["author"], one["technique"], one["text"]) for one in events if one["kind"] == "sent"] == [
        ("ann", "tcp", "Grüße aus TCP 🐟"),
        ("node", "grpc", "Grüße zurück 🐙"),
        ("node", "grpc", "/quit is no command here"),
    ]
    assert [one["author"] for one in events if one["kind"] == "left"] == ["ann", "node"]


def test_what_node_said_it_can_change_and_delete(start: Start, addresses: dict[str, str]) -> None:
    node = start(addresses["grpc"], "node")
    node.type("hello wrold", "never mind")
    first = number_in(node.until("node (grpc): hello wrold"))
    second = number_in(node.until("node (grpc): never mind"))
    node.type(f"/edit {first} hello world", f"/delete {second}", "/quit")
    assert node.ends() == (0, "")
    assert f"[{first}] node (grpc) changed it: hello world" in node.printed
    assert f"[{second}] node (grpc) deleted it" in node.printed
    events = tail("--server", addresses["tcp"], "--as", "eve", "--count", "8")
    changes = [(one["kind"], one["id"], one["text"]) for one in events if one["kind"] == "edited"]
    assert changes == [("edited", int(first), "hello world")]
    assert [one["id"] for one in events if one["kind"] == "deleted"] == [int(second)]


def test_a_refusal_is_told_and_the_next_line_goes_through(start: Start, addresses: dict[str, str]) -> None:
    assert chat("send", "--server", addresses["tcp"], "--as", "ann", "mine").returncode == 0
    node = start(addresses["grpc"], "node")
    message = number_in(node.until("ann (tcp): mine"))
    node.type(f"/edit {message} yours", "\x1b[2J", "x" * 4001, "still here")
    node.until("node (grpc): still here")
    code, errors = node.ends()
    assert (code, errors) == (1, ""), "not everything was accepted"
    assert [line for line in node.printed if line.startswith("! ")] == [
        f"! message {message} is not yours: you can't change it",
        "! a message may not hold U+001B ESCAPE (character 1)",
        "! a message may have 4000 bytes at most",
    ]


def test_node_asks_who_is_here_and_what_was_said(start: Start, addresses: dict[str, str]) -> None:
    assert chat("send", "--server", addresses["tcp"], "--as", "ann", input="one\ntwo\n").returncode == 0
    node = start(addresses["grpc"], "node")
    node.until("* node joined (grpc)")
    node.type("/who", "/history 4")
    assert node.ends() == (0, "")
    assert "* here: node (grpc)" in node.printed
    page = [line.partition("] ")[2] or line for line in node.printed if line.startswith("| ")]
    assert page == ["ann (tcp): one", "ann (tcp): two", "| * ann left (tcp)", "| * node joined (grpc)"]


def test_more_lines_than_the_rate_allows_all_arrive_in_order(start: Start, addresses: dict[str, str]) -> None:
    """The burst is 50: the rest is refused as too fast, waited out and sent again."""
    node = start(addresses["grpc"], "node")
    node.type(*(f"line {number}" for number in range(60)))
    assert node.ends() == (0, "")
    events = tail("--server", addresses["tcp"], "--as", "eve", "--count", "64")
    assert [one["text"] for one in events if one["kind"] == "sent"] == [f"line {n}" for n in range(60)]


def test_node_acks_what_it_reads_and_is_never_cut(start: Start) -> None:
    """Who does not is sent 256 KiB and no more."""
    lines = [f"{number} {'x' * 1000}" for number in range(1000)]
    ports = ("--port-of", "grpc=0", "--port-of", "tcp=0")
    with serving("grpc", "tcp", *ports, "--log", "memory", "--rate", "off") as (_, addresses):
        node = start(addresses["grpc"], "node")
        node.until("* node joined (grpc)")
        done = chat("send", "--server", addresses["tcp"], "--as", "ann", input="\n".join(lines))
        assert done.returncode == 0, done.stderr
        node.until("* ann left (tcp)")
        assert node.ends() == (0, "")
    assert [line.partition("): ")[2] for line in node.printed if line.startswith("[")] == lines
    assert not any("trying again" in line for line in node.printed)


def test_no_server_is_an_error_of_one_line(start: Start) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refuses everybody
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        code, errors = start(address, "node").ends()
    assert code == 1
    assert errors.startswith(f"chat-client: no connection to {address}: UNAVAILABLE")
    assert errors.count("\n") == 1


# --- who may come in -----------------------------------------------------------------------------


def test_node_comes_in_with_the_access_token_and_not_without(start: Start) -> None:
    token = "schlüssel 100%"
    with serving("grpc", "--port", "0", "--log", "memory", CHAT_TOKEN=token) as (_, addresses):
        node = start(addresses["grpc"], "node", CHAT_TOKEN=token)
        node.type("let in", "/who")
        assert node.ends() == (0, "")
        assert "* here: node (grpc)" in node.printed, "unary calls carry it, too"
        code, errors = start(addresses["grpc"], "node").ends()
    assert code == 1
    assert errors.startswith("chat-client: ")
    assert "token" in errors
    assert errors.count("\n") == 1


def test_node_speaks_tls_and_believes_no_stranger(start: Start, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "server.key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    identity = ("--tls-cert", str(tmp_path / "server.pem"), "--tls-key", str(tmp_path / "server.key"))
    with serving("grpc", "--port", "0", "--log", "memory", *identity) as (_, addresses):
        node = start(addresses["grpc"], "node", CHAT_CA=str(tmp_path / "authority.pem"))
        node.type("encrypted")
        assert node.ends() == (0, "")
        assert any(line.endswith("node (grpc): encrypted") for line in node.printed)
        code, errors = start(addresses["grpc"], "node", CHAT_CA=str(tmp_path / "stranger.pem")).ends()
        assert code == 1
        assert "certificate" in errors
        assert errors.count("\n") == 1


# --- breaks --------------------------------------------------------------------------------------


def test_a_killed_server_costs_no_line_and_doubles_none(start: Start, tmp_path: Path) -> None:
    serve = ("grpc", "--port-of", f"grpc={own_port()}", "--log", f"sqlite:{tmp_path / 'log.sqlite3'}")
    with serving(*serve) as (server, addresses):
        node = start(addresses["grpc"], "node")
        node.type(*(f"line {number}" for number in range(30)))
        node.until("node (grpc): line 10")
        server.kill()  # while the lines behind it are under way
        node.until("trying again")
    node.type(*(f"line {number}" for number in range(30, 50)))
    with serving(*serve):
        assert node.ends() == (0, "")
        events = tail("-b", "grpc", "--server", addresses["grpc"], "--as", "eve", "--count", "54")
    wanted = [f"line {number}" for number in range(50)]
    assert [one["text"] for one in events if one["kind"] == "sent"] == wanted
    shown = [line.partition("): ")[2] for line in node.printed if line.startswith("[")]
    assert shown == wanted, "and Node shows each once"
    kinds = [one["kind"] for one in events if one["author"] == "node"]
    assert (kinds.count("joined"), kinds.count("left")) == (1, 1), "it had one seat all the time"


def test_a_server_that_stops_is_waited_for(start: Start, tmp_path: Path) -> None:
    serve = ("grpc", "--port-of", f"grpc={own_port()}", "--log", f"sqlite:{tmp_path / 'log.sqlite3'}")
    with serving(*serve) as (_, addresses):
        node = start(addresses["grpc"], "node")
        node.type("before")
        node.until("node (grpc): before")
    assert node.until("trying again") == "* the server is going down; reconnect and resume; trying again"
    node.type("after")
    with serving(*serve):
        node.until("node (grpc): after")
        assert node.ends() == (0, "")


def test_a_name_that_is_taken_is_an_error_of_one_line(start: Start, addresses: dict[str, str]) -> None:
    first = start(addresses["grpc"], "node")
    first.until("* node joined (grpc)")
    code, errors = start(addresses["grpc"], "Node").ends()
    assert code == 1
    assert errors.startswith("chat-client: Node is taken")
    assert errors.count("\n") == 1
    first.type("still mine")
    assert first.ends() == (0, "")
