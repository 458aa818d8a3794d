"""The recording of the pages: ``python -m tests.tui.recording`` plays the chat and records it, in real time.

``--draw`` draws the picture from the recording that there is, and ``--check`` only looks whether it is the
same. What is recorded is the real thing: a server, and two clients in pseudo-terminals.
"""

from __future__ import annotations

import argparse
import getpass
import io
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

from tests.tui.recording.asciicast import Recorder, read
from tests.tui.recording.drawing import draw
from tests.tui.recording.script import COLS, ROWS, STILL, TITLE, play

ROOT = Path(__file__).parents[3]
CAST = ROOT / "docs" / "recording" / "chat.cast"
PICTURE = ROOT / "docs" / "pictures" / "recording.svg"


def record() -> str:
    """Play the script, and return the recording. Raises `ChatError`."""
    written = io.StringIO()
    recorder = Recorder(written, COLS, ROWS, clock=time.monotonic, title=TITLE)
    with tempfile.TemporaryDirectory(prefix="recording-") as folder:
        play(Path(folder), recorder)
    text = written.getvalue()
    private = {str(ROOT), str(Path.home()), folder, socket.gethostname(), getpass.getuser()}
    if found := [word for word in private if word in text]:
        raise SystemExit(f"the recording would tell of this machine: {', '.join(found)}")
    return text


def picture(cast: str) -> str:
    """Return the picture of a recording; where nothing may move it shows the end of `STILL`."""
    return draw(read(cast), STILL)


def main() -> None:
    parser = argparse.ArgumentParser(description="Record the chat, and draw the recording.")
    parser.add_argument("--draw", action="store_true", help="draw the recording that there is")
    parser.add_argument("--check", action="store_true", help="fail when the picture would change")
    options = parser.parse_args()
    if options.check:
        if PICTURE.read_text(encoding="utf-8") != picture(CAST.read_text(encoding="utf-8")):
            sys.exit(f"{PICTURE.name} is not what the code draws of {CAST.name}, run: make docs")
        return
    if not options.draw:
        os.makedirs(CAST.parent, exist_ok=True)
        CAST.write_text(record(), encoding="utf-8", newline="\n")
    drawn = picture(CAST.read_text(encoding="utf-8"))
    PICTURE.write_text(drawn, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
