"""What must not be loaded before it is needed. import-linter reads the source; this asks the interpreter.

`chat --help` in a quarter of a second is a promise, and each of these costs a good part of that.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

LATE = (
    "aiohttp",
    "asyncio",
    "cryptography",
    "fastapi",
    "filelock",
    "google.protobuf",
    "grpc",
    "httpx",
    "lxml",
    "opentelemetry",
    "pika",
    "prometheus_client",
    "psutil",
    "rpyc",
    "segno",
    "spyne",
    "sqlite3",
    "ssl",
    "textual",
    "tomlkit",
    "uvicorn",
    "uvloop",
    "zeep",
)
HELP = """
import sys
sys.argv = ["chat", "--help"]
from chat.cli.main import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
"""


def fresh(code: str) -> list[str]:
    """Run the code in an interpreter of its own, and return the lines that it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "code",
    ["import chat.cli.main", "import backends; backends.techniques()", HELP],
    ids=["import chat.cli.main", "backends.techniques()", "chat --help"],
)
def test_nothing_heavy_is_loaded_at_start(code: str) -> None:
    *_, loaded = fresh(f"{code}\nimport sys\nprint(*(name for name in {LATE} if name in sys.modules))")
    assert loaded == ""


def test_a_command_runs_with_the_collector_on_and_what_was_loaded_kept_from_it() -> None:
    run = HELP.replace("chat.cli.main", "chat.__main__").replace("--help", "--version")
    assert fresh(f"{run}\nimport gc; print(gc.isenabled(), gc.get_freeze_count() > 0)")[-1] == "True True"


def test_nothing_else_that_is_heavy_is_loaded_before_the_screen_is_painted() -> None:
    screen = "chat.cli.main, chat.client.connect, lab.faults.plan, lab.wire.wiretap, tui.app, tui.run"
    late = set(LATE) - {"asyncio", "ssl", "textual"}
    terminal = "import sys; sys.platform == 'win32' or __import__('tui.terminal.driver')"
    assert fresh(f"import {screen}; {terminal}; print(*({late} & set(sys.modules)))") == [""]


def test_the_folder_of_backends_is_not_on_the_path() -> None:
    """There, `backends/grpc` would be what `import grpc` finds."""
    found = fresh(
        "import backends, sys\n"
        "from pathlib import Path\n"
        "for technique in backends.techniques():\n"
        "    if not technique.missing():\n"
        "        technique.load_client()\n"
        "        if technique.server: technique.load_server()\n"
        "ours = Path(backends.__file__).parent\n"
        "print(*(place for place in sys.path if Path(place).resolve() == ours))"
    )
    assert found == [""]
