"""The watch in tests/conftest.py over every test: what a test leaves behind fails that test, and no other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLANTED = """
import asyncio, socket, pytest

class Circle:
    def __init__(self, held):
        self.held, self.me = held, self

async def nothing():
    pass

def test_fine(): pass

def test_leaves_a_socket():
    socket.socket()

def test_fine_after_a_socket(): pass

def test_leaves_a_socket_in_a_circle():
    Circle(socket.socket())

def test_fine_after_a_circle(): pass

@pytest.fixture
def held():
    return Circle(socket.socket())

def test_leaves_what_a_fixture_made(held): pass

def test_fine_after_a_fixture(): pass

async def test_leaves_a_connection():
    server = await asyncio.start_server(lambda reader, writer: Circle(writer), "127.0.0.1", 0)
    Circle(await asyncio.open_connection(*server.sockets[0].getsockname()))
    await asyncio.sleep(0.01)
    server.close()

def test_fine_after_a_connection(): pass

async def test_leaves_a_task():
    Circle(asyncio.create_task(asyncio.sleep(60)))

async def test_fine_after_a_task(): pass

async def test_leaves_a_coroutine():
    Circle(nothing())

def test_fine_after_a_coroutine(): pass

async def test_leaves_the_error_of_a_task():
    async def fails():
        raise LookupError("nobody asked")
    Circle(asyncio.create_task(fails()))
    await asyncio.sleep(0)

def test_fine_after_an_error(): pass

async def test_leaves_an_error_in_a_callback():
    asyncio.get_running_loop().call_soon(int, "no number")
    await asyncio.sleep(0)

def test_fine_after_a_callback(): pass
"""
AFTER_A_MODULE = """
import gc, socket, pytest

@pytest.fixture(scope="module")
def leaking():
    gc.disable()  # or a collection by chance finds it during the test
    circle = [socket.socket()]
    circle.append(circle)
    del circle
    yield
    gc.enable()

def test_fine_with_what_the_module_has(leaking): pass
"""


def outcomes(folder: Path) -> dict[str, set[str]]:
    """Run the tests of a folder as ours are run; return what became of each."""
    as_ours = ("-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", *as_ours, "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    found: dict[str, set[str]] = {}
    for outcome, name in re.findall(r"^(PASSED|FAILED|ERROR) \S*::(\w+)", done.stdout, re.MULTILINE):
        found.setdefault(name, set()).add(outcome)
    assert found, done.stdout + done.stderr
    return found


def test_what_a_test_leaves_behind_fails_that_test_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "test_planted.py").write_text(PLANTED)
    found = outcomes(tmp_path)
    assert len(found) == PLANTED.count("def test_")
    for name, what in found.items():
        assert (what == {"PASSED"}) == name.startswith("test_fine"), (name, what)


def test_what_a_fixture_of_a_module_leaves_behind_fails_the_next_test(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(AFTER_A_MODULE)
    (tmp_path / "test_b.py").write_text("def test_next(): pass\n")
    found = outcomes(tmp_path)
    assert "PASSED" in found["test_fine_with_what_the_module_has"]
    assert found["test_next"] & {"ERROR", "FAILED"}
