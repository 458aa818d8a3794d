"""The five minutes of docs/lesson-1.md: what is on the page is typed, and shows what the page says."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import tmux
from tests.support.processes import CHAT, chat

if sys.platform == "win32":
    pytest.skip("needs tmux, and Windows has none", allow_module_level=True)

from chat.background import server

pytestmark = pytest.mark.skipif(bool(tmux.MISSING), reason=tmux.MISSING or "tmux is here")
PAGE = Path(__file__).parents[2] / "docs" / "lesson-1.md"


def part(number: int) -> str:
    (found,) = re.findall(
        rf"^## {number}\..*?(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.M
    )
    return str(found)


def commands(number: int) -> list[str]:
    """Return the commands of a step."""
    blocks = re.findall(r"```console\n(.*?)```", part(number), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def typed(number: int) -> list[tuple[str, str]]:
    """Return who types what in a step."""
    blocks = re.findall(r"```text\n(.*?)```", part(number), re.DOTALL)
    lines = [line.partition(": ") for block in blocks for line in block.splitlines()]
    return [(who, what) for who, _, what in lines]


class Class:
    """The terminals of the class, by the name of who sits there."""

    def __init__(self, folder: Path, held: ExitStack) -> None:
        self._folder, self._held = folder, held
        self._panes: dict[str, tmux.Pane] = {}

    def enter(self, *wanted: str) -> None:
        """Let these people in, with the commands of the page."""
        known = {command.split()[-1]: command for number in (1, 2) for command in commands(number)}
        for name in wanted:
            words = shlex.split(known[name])
            assert words[0] == "chat"
            folder = self._folder / name
            folder.mkdir()
            pane = self._panes[name] = self._held.enter_context(tmux.shell(folder))
            pane.line(f"exec {shlex.join([*CHAT, *words[1:]])}")
            pane.shows(f"{name} joined")
            pane.shows("● up")

    def types(self, who: str, what: str) -> None:
        """Press the keys in brackets, or write a line."""
        pane, keys = self._panes[who], re.findall(r"\[(\S+)\]", what)
        for number, key in enumerate(keys):
            if keys[:number] == [key]:  # the inspector is opened by the first one
                pane.shows("choose a frame")
            pane.keys(key)
        text = re.sub(r"\[\S+\]\s*", "", what)
        if text:
            pane.line(text)

    def sees(self, who: str, *texts: str) -> None:
        """Wait until a screen shows these texts."""
        self._panes[who].until(lambda screen: all(text in " ".join(screen.split()) for text in texts))

    def times(self, who: str, text: str) -> int:
        """Return how many messages on a screen are this text."""
        return len(re.findall(rf"\w+ +{re.escape(text)} ", self._panes[who].screen()))


@pytest.fixture
def room(tmp_path: Path, state_dir: Path) -> Iterator[Class]:
    with ExitStack() as held:
        yield Class(tmp_path, held)
    server.stop(state_dir)


def test_1_everybody_in_one_room(room: Class) -> None:
    room.enter("alice", "bob", "carol")
    for who, what in typed(1):
        room.types(who, what)
        room.sees("bob", what)
    for who in ("alice", "bob", "carol"):
        room.sees(who, *(what for _, what in typed(1)))


def test_2_a_reply_that_is_lost_makes_no_second_message(room: Class) -> None:
    room.enter("alice", "bob", "dave")
    fault, say, off = typed(2)
    room.types(*fault)
    room.sees("dave", "FAULT reply-lost (0 hits)")
    room.types(*say)
    room.sees("dave", "FAULT reply-lost (1 hit)")
    room.types("bob", "the next line")
    for who in ("alice", "bob", "dave"):
        room.sees(who, "the next line")
        assert room.times(who, say[1]) == 1
    room.types(*off)
    room.sees("dave", "no fault any more: reply-lost (1 hit)")


def test_3_a_datagram_that_is_dropped_by_hand_is_named(room: Class) -> None:
    room.enter("bob", "carol")
    look, search, stop, lost, drop, heard, shut = typed(3)
    room.types(*look)
    room.sees("carol", "s stop wire", "welcome")  # nobody is quicker than the connection
    room.types(*search)
    room.sees("carol", "0 of ")
    room.types(*stop)
    room.sees("carol", "THE WIRE IS STOPPED")
    room.types(*lost)
    room.sees("carol", "‖", "1 of ")
    room.types(*drop)
    room.sees("bob", lost[1])
    room.types(*heard)
    room.sees("carol", "1 message missing", heard[1])
    assert room.times("carol", lost[1]) == 0
    room.types(*shut)
    room.sees("carol", "Ctrl+Up reads")


def test_4_a_stalled_line_says_nothing_and_then_everything(room: Class) -> None:
    room.enter("alice", "bob")
    stall, *lines, off = typed(4)
    room.types(*stall)
    room.sees("alice", "FAULT stall")
    for line in lines:
        room.types(*line)
        room.sees("bob", line[1])
    room.sees("alice", "hit")
    assert [room.times("alice", what) for _, what in lines] == [0, 0]
    room.types(*off)
    room.sees("alice", " ".join(("no fault any more",)), *(what for _, what in lines))


def test_5_what_a_stream_cannot_suffer_is_refused_with_the_reason(room: Class) -> None:
    room.enter("bob", "carol")
    refused, taken, off = typed(5)
    room.types(*refused)
    room.sees("bob", "a stream loses nothing")
    room.types(*taken)
    room.sees("carol", "FAULT loss 0.3")
    room.types(*off)
    room.sees("carol", "no fault any more: loss 0.3")


def test_6_a_fault_for_everybody_ends_by_itself(room: Class, tmp_path: Path) -> None:
    stop, serve = commands(6)
    assert chat(*shlex.split(stop)[1:]).returncode == 0
    ports = [word for name in ("grpc", "soap") for word in ("--port-of", f"{name}=0")]
    folder = tmp_path / "server"
    folder.mkdir()
    with tmux.shell(folder) as pane:
        pane.line(shlex.join([*CHAT, *shlex.split(serve)[1:], "grpc", "soap", *ports]))
        pane.shows("soap  ready")
        room.enter("alice", "bob")
        fault, say = typed(6)
        room.types(*fault)
        room.sees("alice", "for everybody: stall for 5 s on")
        room.types(*say)
        for who in ("alice", "bob"):
            room.sees(who, say[1])
            assert room.times(who, say[1]) == 1
        pane.keys("C-c")
        pane.shows("$")
