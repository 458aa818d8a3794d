"""In GNU screen: it has no alternate screen as it comes, and keeps an ESC back while it reports the mouse."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import tmux
from tests.support.processes import CHAT, PATIENCE, serving, tail

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal, and Windows has none for it", allow_module_level=True)

MISSING = tmux.MISSING or ("" if shutil.which("screen") else "GNU screen is missing: apt install screen")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture
def server() -> Iterator[str]:
    with serving("--log", "memory") as (_, address):
        yield address


@pytest.fixture
def pane(server: str, tmp_path: Path) -> Iterator[tmux.Pane]:
    """A shell in GNU screen, itself in tmux, with ``chat`` as ann on the screen."""
    sockets = tmp_path / "sockets"
    sockets.mkdir(mode=0o700)
    with tmux.shell(tmp_path) as pane:
        pane.line(f"SCREENDIR={sockets} screen -U -c /dev/null bash --norc --noprofile")
        pane.until(lambda screen: "SCREENDIR" not in screen and "$" in screen)
        pane.line(shlex.join([*CHAT, "--backend", "tcp", "--server", server, "--as", "ann"]))
        pane.shows("ann joined (tcp)")
        try:
            yield pane
        finally:
            ended = {**os.environ, "SCREENDIR": str(sockets)}
            subprocess.run(["screen", "-X", "quit"], env=ended, timeout=PATIENCE, check=False)


def test_escape_is_no_part_of_the_next_letter(pane: tmux.Pane, server: str) -> None:
    pane.keys("half a line")
    pane.shows("half a line")
    pane.keys("C-p")
    pane.shows("Search for commands")
    pane.keys("Escape")
    pane.shows("half a line")
    pane.keys(" and the rest", "Enter")
    pane.until(lambda screen: "half a line and the rest" in screen and "Message #lab" in screen)
    pane.line("/quit")
    pane.until(lambda screen: screen.strip() == "$")
    events = tail("--backend", "tcp", "--server", server, "--as", "reader", "--timeout", "0.5")
    assert [event["text"] for event in events if event["kind"] == "sent"] == ["half a line and the rest"]


def test_nothing_is_left_of_the_picture(pane: tmux.Pane) -> None:
    pane.keys("C-z")
    assert "ann joined" not in pane.shows("Stopped")
    pane.line("fg")
    pane.shows("ann joined (tcp)")
    pane.line("/quit")
    pane.until(lambda screen: screen.strip() == "$")
