"""What is typed in one burst with a key that opens another screen, or that changes what was typed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from tests.support.processes import CHAT, serving, tail

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal, and Windows has none for it", allow_module_level=True)

from lab.bench.terminal import Terminal
from tui.commands import TABLE


@pytest.fixture
def server() -> Iterator[str]:
    with serving("--log", "memory") as (_, address):
        yield address


def said(server: str, room: str = "lab") -> list[str]:
    at = ("--backend", "tcp", "--server", server, "--as", "reader", "--room", room, "--timeout", "0.5")
    return [event["text"] for event in tail(*at) if event["kind"] == "sent"]


def in_room(server: str) -> Terminal:
    terminal = Terminal([*CHAT, "--backend", "tcp", "--server", server, "--as", "ann"], dict(os.environ))
    terminal.shows(b"joined (tcp)")
    return terminal


@pytest.mark.parametrize("fields", [b"", b"\t\x15den\tann"], ids=["in the list", "in a field"])
def test_behind_enter_in_the_picker(server: str, fields: bytes) -> None:
    with Terminal([*CHAT, "--server", server], dict(os.environ)) as terminal:
        terminal.shows(b"Enter joins")
        terminal.press(fields + b"\rhello\rand\x1b\rmore\r\x1b[200~pasted\x1b[201~ too\r/quit\r")
        assert terminal.ends() == 0
    assert said(server, "den" if fields else "lab") == ["hello", "and\nmore", "pasted too"]


@pytest.mark.parametrize("fields", [b"\t/", b"\t/\tann"], ids=["in the field", "in another one"])
def test_behind_enter_that_fails_in_the_picker(server: str, fields: bytes) -> None:
    """It goes into the field that is wrong."""
    with Terminal([*CHAT, "--server", server], dict(os.environ)) as terminal:
        terminal.shows(b"Enter joins")
        terminal.press(fields + b"\r\x15den\r\rhello\r/quit\r")
        assert terminal.ends() == 0
    assert said(server, "den") == ["hello"]


def test_two_enters_in_the_picker_open_one_session(server: str) -> None:
    with Terminal([*CHAT, "--server", server], dict(os.environ)) as terminal:
        terminal.shows(b"Enter joins")
        terminal.press(b"\t\t\x15bob\r\r\r/quit\r")
        assert terminal.ends() == 0
    at = ("--backend", "tcp", "--server", server, "--as", "reader", "--timeout", "0.5")
    assert [event["kind"] for event in tail(*at) if event["author"] == "bob"] == ["joined", "left"]


def test_behind_ctrl_p(server: str) -> None:
    """The letters choose the command, and what follows Enter is for the composer."""
    with in_room(server) as terminal:
        terminal.press(b"\x10find\rneedle \x1b[200~pasted\x1b[201~")
        terminal.shows(b"/find needle pasted")
        terminal.press(b"\x05\x15begun \x10ids\rand the rest\r/quit\r")
        assert terminal.ends() == 0
    assert said(server) == ["begun and the rest"]


def test_behind_a_search_that_finds_no_command(server: str) -> None:
    with in_room(server) as terminal:
        terminal.press(b"\x10xyz\r\x15quit\r")
        assert terminal.ends() == 0


def test_behind_escape_in_the_palette(server: str) -> None:
    with in_room(server) as terminal:
        terminal.press(b"\x10abc\x1b[27uhello\r/quit\r")
        assert terminal.ends() == 0
    assert said(server) == ["hello"]


def test_before_the_first_picture(server: str) -> None:
    """Enter is a line feed until the program has the terminal, and breaks the line then."""
    with Terminal(
        [*CHAT, "--backend", "tcp", "--server", server, "--as", "ann"], dict(os.environ)
    ) as terminal:
        terminal.press(b"typed at once ")
        terminal.shows(b"joined (tcp)")
        terminal.press(b"and later\r/quit\r")
        assert terminal.ends() == 0
    assert said(server) == ["typed at once and later"]


KEYS = [
    (b"abc\x7fd", "abd"),
    (b"abc\x1b[D\x1b[Dx", "axbc"),
    (b"one two\x17three", "one three"),
    (b"one\x15two", "two"),
    (b"bc\x1b[Ha\x1b[Fd", "abcd"),
]


@pytest.mark.parametrize(("keys", "text"), KEYS)
def test_keys_that_change_the_text_in_the_composer(server: str, keys: bytes, text: str) -> None:
    with in_room(server) as terminal:
        terminal.press(keys + b"\r/quit\r")
        assert terminal.ends() == 0
    assert said(server) == [text]


@pytest.mark.parametrize(("keys", "text"), [(keys, text.replace(" ", "-")) for keys, text in KEYS])
def test_keys_that_change_the_text_in_the_picker(server: str, keys: bytes, text: str) -> None:
    with Terminal([*CHAT, "--server", server], dict(os.environ)) as terminal:
        terminal.shows(b"Enter joins")
        terminal.press(b"\t\x15" + keys.replace(b" ", b"-") + b"\rhello\r/quit\r")
        assert terminal.ends() == 0
    assert said(server, text.lower()) == ["hello"]


def test_keys_that_choose_in_the_palette(server: str) -> None:
    """They stand in the order of their names, and there is no message that /copy could copy."""
    down = b"\x1b[B" * sorted(TABLE).index("copy")
    with in_room(server) as terminal:
        terminal.press(b"\x10" + down + b"\r")
        terminal.shows(b"there is no message")
        terminal.press(b"/quit\r")
        assert terminal.ends() == 0
