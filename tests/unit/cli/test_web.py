"""`chat web` on the command line: what it refuses, what it prints, what it passes on to the sessions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chat.cli import web
from chat.interfaces.address import Address
from chat.interfaces.technique import Need
from tests.support.processes import chat_here, one_line
from tui.web.server import preferred_language


def test_without_textual_serve_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "NEED", Need("no_such_library", "pip install textual-serve"))
    done = chat_here("web")
    assert done.returncode == 1
    assert done.stderr == (
        "chat: chat web needs textual-serve, which is not installed: pip install textual-serve\n"
    )


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("json", "browser   ok  chat web can show the screen in a browser"),
        ("no_such_library", "browser   --  chat web lacks no_such_library: pip install textual-serve"),
    ],
)
def test_the_doctor_says_whether_it_can_run(module: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "NEED", Need(module, "pip install textual-serve"))
    assert line in chat_here("doctor").stdout.splitlines()


def test_open_and_a_token_contradict_each_other(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("four common words")
    done = chat_here("web", "--open", "--token-file", str(file))
    assert done.returncode == 2
    assert one_line(done.stderr)


def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("short")
    done = chat_here("web", "--token-file", str(file))
    assert done.returncode == 1
    assert "can be guessed" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="Windows lets two programs have one port")
def test_a_port_that_is_in_use_is_one_line() -> None:
    from socket import socket

    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = chat_here("web", "--port", port)
    assert done.returncode == 1
    assert done.stderr.startswith(f"chat: cannot listen on 127.0.0.1:{port}: ")
    assert one_line(done.stderr)


def test_the_token_stands_where_a_browser_does_not_send_it() -> None:
    address = Address("127.0.0.1", 8010)
    assert (
        web.page(address, "four words/#", encrypted=True)
        == "https://127.0.0.1:8010/#token=four%20words%2F%23"
    )
    assert web.page(address, "", encrypted=False) == "http://127.0.0.1:8010/"


def test_a_session_gets_the_options_that_were_given() -> None:
    given = {"backend": "udp", "server": None, "room": "seminar"}
    settings = {"loss": "0.3", "repair": "on"}
    assert web.arguments(given, settings, no_spawn=True) == [
        "--backend=udp",
        "--room=seminar",
        "--loss=0.3",
        "--repair",
        "--no-spawn",
    ]


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        ("de, en;q=0.5, fr;q=0.7", "fr"),
        ("de-DE", ""),
        ("fr;q=0, en", "en"),
        ("fr;q=x, pt-BR;q=0.1", "pt"),
        ("", ""),
    ],
)
def test_the_screen_speaks_the_language_of_the_browser(accept: str, language: str) -> None:
    assert preferred_language(accept) == language
