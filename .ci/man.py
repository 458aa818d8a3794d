"""Writes a manual page for each command: ``python .ci/man.py FOLDER``. The help texts are their source."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from click_man.core import write_man_pages

from chat.cli.main import chat


def main() -> int:
    """Write the pages. Returns the exit code."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_man_pages("chat", chat, version=version("wirechat"), target_dir=str(folder))
    sys.stdout.write(f"{folder}: {len(list(folder.glob('*.1')))} pages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
