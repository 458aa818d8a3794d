"""``chat send``, ``chat tail`` and ``chat --plain`` against a server, each a process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from backends.rabbitmq.private import programs
from tests.support.processes import CHAT, PATIENCE, chat, running, serving, tail


def test_send_and_tail_over_a_server_of_ones_own() -> None:
    with serving("--log", "memory") as (_, address):
        done = chat("send", "--server", address, "--as", "ann", "eins", "und", "zwei\nlines")
        assert (done.returncode, done.stderr) == (0, "")
        done = chat("send", "--server", address, "--as", "bob", input="drei\n\x1b[31mrot\nvier\n")
        assert done.returncode == 1
        assert done.stderr == "line 2 was not sent: a message may not hold U+001B ESCAPE (character 1)\n"
        events = tail("--server", address, "--as", "eve", "--count", "9")
    sent = [event for event in events if event["kind"] == "sent"]
    assert [(event["author"], event["text"]) for event in sent] == [
        ("ann", "eins und zwei\nlines"),
        ("bob", "drei"),
        ("bob", "vier"),
    ]
    fields = {"seq", "prev", "epoch", "kind", "room", "author", "technique", "id", "text", "at"}
    assert all(fields <= event.keys() for event in events)
    assert [event["prev"] for event in events] == [0, *(event["seq"] for event in events[:-1])]


def test_tail_exits_with_1_when_too_few_events_came() -> None:
    with serving("--log", "memory") as (_, address):
        done = chat("tail", "--server", address, "--as", "eve", "--count", "99", "--timeout", "0.2")
    assert done.returncode == 1


def test_a_pipe_that_closes_ends_tail_without_a_word() -> None:
    with (
        serving("--log", "memory") as (_, address),
        running("tail", "--server", address, "--as", "eve", "--json") as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        chat("send", "--server", address, "--as", "ann", input="1\n2\n3\n4\n")
        process.wait(PATIENCE)
        assert process.stderr.read() == ""
        process.stdout = None


def test_a_line_that_is_no_utf8_is_named_and_the_others_are_sent() -> None:
    with serving("--log", "memory") as (_, address):
        done = subprocess.run(
            [*CHAT, "send", "--server", address, "--as", "ann"],
            input=b"first\nsec\xffond\n\nthird\n",
            capture_output=True,
            timeout=PATIENCE,
            env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
            check=False,
        )
        events = tail("--server", address, "--as", "eve", "--count", "4")
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"line 2 was not sent: a message may not hold U+DCFF")
    assert [event["text"] for event in events if event["kind"] == "sent"] == ["first", "third"]


def test_lines_of_a_file_from_windows_are_sent_without_its_marks() -> None:
    with serving("--log", "memory") as (_, address):
        done = chat("send", "--server", address, "--as", "ann", input="\ufefffirst\r\nsecond\r\n")
        assert (done.returncode, done.stderr) == (0, "")
        events = tail("--server", address, "--as", "eve", "--count", "4")
    assert [event["text"] for event in events if event["kind"] == "sent"] == ["first", "second"]


def test_send_ends_when_the_server_does_not_come_though_the_input_goes_on() -> None:
    with (
        subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless,
        subprocess.Popen(
            [*CHAT, "send", "--server", "127.0.0.1:9", "--as", "ann"],
            stdin=endless.stdout,
            stderr=subprocess.DEVNULL,
        ) as sending,
    ):
        assert sending.wait(PATIENCE) == 1
        endless.kill()


def test_nothing_that_a_server_sends_moves_the_terminal() -> None:
    evil = "\x1b[1m\x07"
    welcome = {
        "kind": "welcome",
        "room": "lab",
        "nick": f"ann{evil}",
        "seat": "s",
        "seat_key": "k",
        "epoch": "e",
        "first": 1,
        "head": 1,
        "n": 0,
        "limits": {},
        "members": [{"seat": "s", "nick": f"ann{evil}", "technique": "tcp"}],
    }
    event = {
        "kind": "sent",
        "seq": 1,
        "prev": 0,
        "at": 0,
        "author": f"bob{evil}",
        "text": f"hi{evil}",
        "id": 1,
    }
    with socket.create_server(("127.0.0.1", 0)) as hostile:
        port = hostile.getsockname()[1]

        def serve() -> None:
            for _ in range(2):
                peer, _address = hostile.accept()
                with peer, peer.makefile("rw") as lines:
                    lines.readline()
                    lines.write(json.dumps(welcome) + "\n" + json.dumps(event) + "\n")
                    lines.flush()
                    lines.readline()

        with ThreadPoolExecutor(1) as pool:
            served = pool.submit(serve)
            server = f"127.0.0.1:{port}"
            shown = chat("tail", "--server", server, "--as", "ann", "--count", "1")
            plain = chat("--plain", "--server", server, "--as", "ann", input="/who\n/quit\n")
            served.result(PATIENCE)
    assert "bob" in shown.stdout
    assert "ann" in plain.stdout
    for done in (shown, plain):
        assert not any(char in done.stdout + done.stderr for char in "\x1b\x07")


def test_plain_mode_talks_in_lines() -> None:
    with serving("--log", "memory") as (_, address):
        done = chat("--plain", "--server", address, "--as", "ann", input="hello\n/who\n/nope\n//slash\n")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert any(line.endswith("ann (tcp): hello") for line in lines)
    assert any(line.endswith("ann (tcp): /slash") for line in lines)
    assert "* ann (tcp)" in lines
    assert any(line.startswith("! there is no command /nope") for line in lines)


def test_the_demo_without_a_terminal_ends_with_a_table(request: pytest.FixtureRequest) -> None:
    broker = {"CHAT_AMQP_URL": request.getfixturevalue("vhost")} if programs() else {}
    done = chat("demo", CHAT_TOKEN="of another server", CHAT_SERVE_HOST="0.0.0.0", **broker)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "each once, in order" in done.stdout.splitlines()[-1 if broker else -2]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("rabbitmq  ")]
    assert ("each once, in order" if broker else "not here: no broker runs here") in line
