"""Starting: what is not imported, and that the first frame is reported."""

from __future__ import annotations

import subprocess
import sys

from tests.support.desk import Desk, chatting

LIBRARIES = ["grpc", "zeep", "spyne", "fastapi", "httpx", "uvicorn", "pika", "rpyc", "sqlite3"]
LATER = ["tui.screens.help", "tui.screens.picker", "tui.screens.paste"]


def test_the_first_paint_needs_no_techniques_library_and_no_other_screen() -> None:
    code = (
        "import sys, tui.app\n"
        f"print([name for name in {LIBRARIES + LATER!r} if name in sys.modules]"
        " + [name for name in sys.modules if name.startswith('backends.')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


async def test_the_first_frame_is_reported_once() -> None:
    frames: list[str] = []
    async with chatting(Desk(), on_first_paint=lambda: frames.append("painted")):
        assert frames == ["painted"]
