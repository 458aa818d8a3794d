"""The command line: usage, help, exit codes, and that every error is one line."""

from __future__ import annotations

import json

import pytest

import backends
from chat.cli import talk
from tests.support.processes import chat_here, one_line


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["--backend", "nope", "send", "x"],
        ["send", "--backend", "tpc", "x"],
        ["serve", "nope"],
        ["serve", "--port", "1"],
        ["serve", "--port-of", "tcp"],
        ["serve", "--port-of", "nope=1"],
        ["tail", "--after", "x"],
        ["explain", "nope"],
        ["send", "--as", "a b", "x"],
        ["send", "--as", "", "x"],
        ["send", "--room", "Lab!", "x"],
        ["send", "--server", "a:b:c]", "x"],
        ["send", "--server", "a..b", "x"],
        ["serve", "tcp", "--open", "--token-file", __file__],
        ["serve", "tcp", "--fresh", "--log", "memory"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str]) -> None:
    done = chat_here(*arguments)
    assert done.returncode == 2
    assert one_line(done.stderr), done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["send", "--server", "127.0.0.1:9", "x"], "line 1 was not sent: nothing listens on 127.0.0.1:9"),
        (["send", "--token-file", "nowhere", "x"], "cannot read the access token from nowhere"),
        (["serve", "--log", "nope:x"], "is not a log"),
        ([], "this is not a terminal"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_failure_says_what_happened_and_exits_with_1(
    arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk, "GIVE_UP", 0.1)
    done = chat_here(*arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_misspelt_backend_gets_a_hint() -> None:
    assert "did you mean tcp?" in chat_here("send", "--backend", "tpc", "x").stderr


@pytest.mark.parametrize(
    "command",
    [
        *("", "serve", "send", "tail", "demo", "doctor", "explain", "techniques", "status", "stop"),
        *("lab", "lab check", "lab record"),
    ],
)
def test_every_command_has_help_that_fits_80_columns(command: str) -> None:
    done = chat_here(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: chat")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_techniques_json_holds_every_label_and_trait() -> None:
    labels = json.loads(chat_here("techniques", "--json").stdout)
    assert [label["name"] for label in labels] == list(backends.KNOWN)
    assert {"push", "ordered", "lossless", "resend"} <= labels[0]["traits"].keys()


@pytest.mark.parametrize(
    "arguments", [["techniques"], ["explain"], *(["explain", n] for n in backends.KNOWN)]
)
def test_what_is_shown_to_a_class_fits_80_by_24(arguments: list[str]) -> None:
    lines = chat_here(*arguments).stdout.splitlines()
    assert 2 <= len(lines) <= 23  # and the prompt
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    "arguments",
    [["--room", "other", "send", "hi"], ["-b", "udp", "--loss", "1", "tail"], ["--plain", "techniques"]],
)
def test_an_option_before_a_command_is_not_dropped_without_a_word(arguments: list[str]) -> None:
    done = chat_here(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "which would not see it" in done.stderr


def test_several_servers_are_for_techniques_that_can_choose() -> None:
    done = chat_here("send", "--backend", "tcp", "--server", "127.0.0.1:1,127.0.0.1:2", "hello")
    assert done.returncode == 1
    assert "tcp takes one server, and 2 are given" in done.stderr
