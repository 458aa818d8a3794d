"""Starting: what is not imported, and that the first frame is reported."""

from __future__ import annotations

import subprocess
import sys

import pytest
from textual.dom import DOMNode

from tests.support.desk import Desk, chat, chatting
from tui.app import ChatApp
from tui.screens.chat import ChatScreen

LIBRARIES = ["grpc", "zeep", "spyne", "fastapi", "httpx", "uvicorn", "pika", "rpyc", "sqlite3"]
LATER = ["tui.screens.help", "tui.screens.picker", "tui.screens.paste", "lab.wire.compare", "lab.wire.tap"]


def test_the_first_paint_needs_no_techniques_library_and_no_other_screen() -> None:
    code = (
        "import sys, lab.faults.plan, lab.wire.wiretap, tui.app\n"
        f"print([name for name in {LIBRARIES + LATER!r} if name in sys.modules]"
        " + [name for name in sys.modules if name.startswith('backends.')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


async def test_the_first_frame_is_reported_once() -> None:
    frames: list[str] = []
    async with chatting(Desk(), on_first_paint=lambda: frames.append("painted")):
        assert frames == ["painted"]


async def test_the_screen_is_not_styled_anew_before_its_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is composed of has got its styles as it was mounted, by the size that it has."""
    anew: list[str] = []
    update = ChatApp.update_styles

    def updated(app: ChatApp, node: DOMNode, animate: bool = True) -> None:
        if isinstance(node, ChatScreen) and node.children:
            anew.append(node.css_identifier)
        update(app, node, animate)

    monkeypatch.setattr(ChatApp, "update_styles", updated)
    painted: list[list[str]] = []
    async with chatting(Desk(), on_first_paint=lambda: painted.append(list(anew))) as pilot:
        assert painted == [[]]
        assert {"-narrow", "-tall"} <= chat(pilot).classes
