"""Standard streams that are closed, or with a full disk behind them: one line each, the right exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import CHAT, PATIENCE, one_line, serving, tail

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not Path("/dev/full").exists(),
    reason="needs a POSIX shell and Linux's /dev/full",
)

CLOSED, FULL = ">&-", ">/dev/full"
WHY = {CLOSED: "Bad file descriptor", FULL: "No space left on device"}


def started(redirections: str, *arguments: str) -> subprocess.Popen[str]:
    """Start ``chat`` with streams that a shell has redirected."""
    command = ["sh", "-c", f'exec "$@" {redirections}', "sh", *CHAT, *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def over(redirections: str, *arguments: str) -> tuple[int, str, str]:
    """Run ``chat`` to its end; return exit code, output, errors."""
    with started(redirections, *arguments) as process:
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err


@pytest.mark.parametrize("redirection", [CLOSED, FULL])
@pytest.mark.parametrize("command", ["--help", "--version", "techniques", "status", "bench"])
def test_output_that_cannot_be_written_is_one_line(command: str, redirection: str) -> None:
    code, _, errors = over(redirection, command)
    assert code == 1
    assert errors == f"chat: cannot write to the standard output: {WHY[redirection]}\n"


@pytest.mark.parametrize("redirection", [CLOSED, FULL])
def test_tail_ends_when_its_output_cannot_be_written(redirection: str) -> None:
    with serving("--log", "memory") as (_, address):
        code, _, errors = over(redirection, "tail", "--server", address, "--as", "eve")
    assert code == 1
    assert errors == f"chat: cannot write to the standard output: {WHY[redirection]}\n"


@pytest.mark.parametrize("command", [["send"], ["--plain"]], ids=" ".join)
def test_an_input_that_is_closed_is_no_empty_input(command: list[str]) -> None:
    with serving("--log", "memory") as (_, address):
        code, _, errors = over("<&-", *command, "--server", address, "--as", "ann")
    assert code == 1
    assert errors == "chat: cannot read the standard input: Bad file descriptor\n"


def test_send_needs_neither_input_nor_output_for_its_arguments() -> None:
    with serving("--log", "memory") as (_, address):
        code, _, errors = over("<&- >&-", "send", "--server", address, "--as", "ann", "hello")
        assert (code, errors) == (0, "")
        events = tail("--server", address, "--as", "eve", "--count", "3")
    assert [event["text"] for event in events if event["kind"] == "sent"] == ["hello"]


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_errors_that_cannot_be_written_leave_the_exit_code_and_the_output_alone(redirection: str) -> None:
    assert over(redirection, "explain", "nope")[:2] == (2, "")
    assert over(redirection, "tail", "--server", "127.0.0.1:9", "--timeout", "0.5", "--count", "1")[:2] == (
        1,
        "",
    )


@pytest.mark.parametrize("redirections", ["<&-", "<&- >&- 2>&-"])
def test_the_screen_needs_a_terminal_and_says_so(redirections: str) -> None:
    code, _, errors = over(redirections)
    assert code == 1
    assert one_line(errors) or "2>&-" in redirections


@pytest.mark.parametrize("redirections", ["<&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-", "<&- >&-"])
def test_a_server_runs_and_ends_without_standard_streams(redirections: str, state_dir: Path) -> None:
    ports = [argument for name in ("tcp", "rest") for argument in ("--port-of", f"{name}=0")]
    with started(redirections, "serve", "tcp", "rest", *ports) as server:
        code, _, errors = over("", "send", "--no-spawn", "--as", "ann", "hello")
        assert (code, errors) == (0, "")
        os.kill(server.pid, signal.SIGTERM)
        _, errors = server.communicate(timeout=PATIENCE)
        assert (server.returncode, errors) == (0, "")


def test_a_server_that_cannot_say_where_it_listens_does_not_run() -> None:
    code, _, errors = over(FULL, "serve", "tcp", "--port", "0", "--log", "memory")
    assert code == 1
    assert errors == f"chat: cannot write to the standard output: {WHY[FULL]}\n"
