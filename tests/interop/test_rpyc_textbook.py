"""Stock RPyC clients in the chat: the chapter's program as it stands, also over TLS; and what they see."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
import threading
from ast import literal_eval
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import Any

import pytest
import rpyc
import trustme
from rpyc.utils.factory import connect_stream

from tests.support.processes import PATIENCE, chat, running

CHAPTER = Path(__file__).parents[2] / "backends" / "rpyc" / "README.md"
Event = dict[str, Any]


def program() -> str:
    """Return the chapter's client as it stands there."""
    (code,) = re.findall(r"```python\n(.*?)```", CHAPTER.read_text(encoding="utf-8"), re.DOTALL)
    assert isinstance(code, str)
    return code


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Run ``chat serve rpyc`` on a free port; yield its ``HOST:PORT``."""
    serve = ("serve", "rpyc", "--port", "0", "--json", "--log", "memory", "--rate", "off")
    with running(*serve, *arguments) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield f"127.0.0.1:{json.loads(line)['port']}"


@pytest.fixture
def address() -> Iterator[str]:
    with serving() as address:
        yield address


class Stock:
    """A stock client with a thread that serves its callbacks."""

    def __init__(self, connection: Any, nick: str) -> None:
        self.connection = connection
        self.events: Queue[Event] = Queue()
        self.seen: list[Event] = []
        self._thread = threading.Thread(target=connection.serve_all)
        self._thread.start()
        self.welcome = dict(connection.root.login(nick, "lab", self._on_event))
        self.send = connection.root.send

    @classmethod
    def connect(cls, address: str, nick: str) -> Stock:
        host, _, port = address.rpartition(":")
        return cls(connect_stream(rpyc.SocketStream.connect(host, int(port), nodelay=True)), nick)

    def _on_event(self, **event: Any) -> None:
        self.events.put(event)

    def hears(self, **fields: Any) -> Event:
        """Wait for an event with these fields."""
        while True:
            event = self.events.get(timeout=PATIENCE)
            self.seen.append(event)
            if fields.items() <= event.items():
                return event

    def leave(self) -> None:
        self.connection.root.leave()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the server does not close"


# --- the chapter's program -----------------------------------------------------------------------


def test_the_chapters_client_runs_as_it_stands(tmp_path: Path, address: str) -> None:
    script = tmp_path / "client.py"
    script.write_text(program(), encoding="utf-8")
    ours = ("-b", "rpyc", "--server", address)
    assert chat("send", *ours, "--as", "ann", "wörld").returncode == 0
    done = subprocess.run(
        [sys.executable, "-X", "utf8", str(script), *address.split(":"), "me"],
        input="hello\nfrom twenty lines\n\x1b\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr == ""
    assert "ann: wörld" in done.stdout.splitlines()
    assert "me: hello" in done.stdout.splitlines()
    assert "error: a message may not hold U+001B ESCAPE (character 1)" in done.stdout.splitlines()
    read = chat("tail", *ours, "--as", "eve", "--after", "0", "--count", "7").stdout
    assert "me (rpyc): hello" in read
    assert "me (rpyc): from twenty lines" in read
    assert len([line for line in program().splitlines() if line and not line.isspace()]) <= 30


# --- what a stock client sees --------------------------------------------------------------------


def test_what_is_said_is_heard_and_has_the_seq_that_send_returned(address: str) -> None:
    ann, bob = Stock.connect(address, "ann"), Stock.connect(address, "bob")
    seq = ann.send("hello")
    for person in (ann, bob):
        event = person.hears(kind="sent")
        assert (event["seq"], event["text"], event["author"]) == (seq, "hello", "ann")
    ann.connection.root.edit(seq, text="hello!")
    bob.hears(kind="edited", id=seq, text="hello!")
    ann.connection.root.delete(id=seq)
    bob.hears(kind="deleted", id=seq)
    bob.leave()
    ann.hears(kind="left", author="bob")
    ann.leave()
    assert [event["kind"] for event in ann.seen].count("sent") == 1


def callbacks(heard: list[Any]) -> dict[str, Callable[..., Any]]:
    """Return functions that people hand over, each of which keeps what it gets in the list."""

    class Told:
        def __call__(self, event: Any) -> None:
            heard.append(event)

    return {
        "append": heard.append,
        "lambda": lambda event: heard.append(event),
        "print": partial(print, end="", file=SimpleNamespace(write=heard.append)),
        "an object": Told(),
        "one that needs one more": lambda event, **more: heard.append(event),
    }


@pytest.mark.parametrize("name", callbacks([]))
def test_a_callback_that_takes_no_keywords_gets_the_pairs(address: str, name: str) -> None:
    heard: list[Any] = []
    host, _, port = address.rpartition(":")
    connection = rpyc.connect(host, int(port))
    room = connection.root
    room.login("eve", "lab", callbacks(heard)[name])
    seqs = [room.send(f"m{number}") for number in range(3)]
    room.leave()
    connection.close()
    events = [dict(literal_eval(event) if isinstance(event, str) else event) for event in heard if event]
    assert [(event["kind"], event["seq"]) for event in events if event["kind"] == "sent"] == [
        ("sent", seq) for seq in seqs
    ]
    assert [event["kind"] for event in events if event.get("author") == "eve"][-1] == "left"


def test_who_hands_over_a_wrong_function_is_told_by_the_next_call(address: str) -> None:
    host, _, port = address.rpartition(":")
    connection = rpyc.connect(host, int(port))
    connection.root.login("eve", "lab", lambda: None)

    def go_on() -> None:
        while True:
            connection.root.members()

    with pytest.raises(Exception, match=r"your callback raised TypeError: .*; it must accept") as refused:
        go_on()
    connection.close()
    assert getattr(refused.value, "code", "") == "bad_request"


def test_the_prompt_is_told_what_it_can_do_with_the_root(address: str) -> None:
    host, _, port = address.rpartition(":")
    connection = rpyc.connect(host, int(port))
    with pytest.raises(
        Exception, match=r"request 9 of RPyC \(repr\) is not supported: call a method of conn.root"
    ):
        repr(connection.root)

    class Text(str):
        pass

    with pytest.raises(Exception, match=r"nick is an object of yours .*Text.*convert it"):
        connection.root.login(Text("eve"), "lab", print)
    connection.close()


def test_many_callbacks_come_in_order_and_each_once(address: str) -> None:
    ann, bob = Stock.connect(address, "ann"), Stock.connect(address, "bob")
    for number in range(300):
        ann.send(f"m{number}")
    bob.hears(text="m299")
    texts = [event["text"] for event in bob.seen if event["kind"] == "sent"]
    assert texts == [f"m{number}" for number in range(300)]
    for person in (ann, bob):
        person.leave()


def test_a_refusal_is_an_exception_that_says_what_and_shows_no_source(address: str) -> None:
    ann = Stock.connect(address, "ann")
    with pytest.raises(Exception, match="at least one character") as refused:
        ann.send("", n=7)
    error: Any = refused.value
    assert type(error).__module__.endswith("/chat")
    assert type(error).__mro__[1].__name__ == "chat.BadText"
    assert (error.code, error.n) == ("bad_text", 7)
    assert ".py" not in str(error)
    with pytest.raises(AttributeError, match="nothing else"):
        ann.connection.root.shout("hi")
    with pytest.raises(Exception, match="send takes text, n"):
        ann.send(shout="hi")
    assert ann.send("and on we go") > 0
    ann.leave()


def test_who_was_refused_tries_another_nick_on_the_same_connection(address: str) -> None:
    ann = Stock.connect(address, "ann")
    host, _, port = address.rpartition(":")
    connection = rpyc.connect(host, int(port))
    with pytest.raises(Exception, match="ann") as refused:
        connection.root.login("ann", "lab", print)
    assert getattr(refused.value, "code", "") == "nick_taken"
    heard: list[Event] = []
    welcome = dict(connection.root.login("eve", "lab", lambda **event: heard.append(event)))
    assert welcome["nick"] == "eve"
    assert [dict(member)["nick"] for member in connection.root.members()] == ["ann", "eve"]
    assert heard[0]["kind"] == "opened", "callbacks are served while a call waits"
    connection.close()
    ann.leave()


def test_a_long_page_of_history_is_one_reply(address: str) -> None:
    ann = Stock.connect(address, "ann")
    texts = [f"{number} " + 1900 * "ü" for number in range(50)]
    for text in texts:
        ann.send(text)
    page = [dict(event) for event in ann.connection.root.history(limit=50)]
    assert [event["text"] for event in page] == texts
    ann.leave()


# --- over TLS ------------------------------------------------------------------------------------


def test_over_tls_with_a_context_of_ones_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key, trusted = (tmp_path / name for name in ("server.pem", "server.key", "authority.pem"))
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    trusted.write_bytes(authority.cert_pem.bytes())
    with serving("--tls-cert", str(certificate), "--tls-key", str(key)) as address:
        host, _, port = address.rpartition(":")
        context = ssl.create_default_context(cafile=str(trusted))
        plain = socket.create_connection((host, int(port)))
        encrypted = context.wrap_socket(plain, server_hostname=host)
        # One thread: TLS on one socket is not to be read by one and written by another.
        connection = connect_stream(rpyc.SocketStream(encrypted))
        heard: list[Event] = []
        left_in_tls: list[int] = []

        def on_event(**event: Any) -> None:
            heard.append(event)
            left_in_tls.append(encrypted.pending())

        connection.root.login("me", "lab", on_event)
        ours = ("-b", "rpyc", "--server", address, "--ca", str(trusted))
        said = chat("send", *ours, "--as", "ann", input="".join(f"m{number}\n" for number in range(20)))
        assert said.returncode == 0, said.stderr
        while heard[-1:] == [] or heard[-1]["kind"] != "left":
            connection.serve(PATIENCE)
        assert [event["text"] for event in heard if event["kind"] == "sent"]
        assert set(left_in_tls) == {0}, (
            "each frame in a record of its own: RPyC does not look into TLS's buffer"
        )
        connection.root.leave()
        connection.close()
