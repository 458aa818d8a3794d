"""What was chosen last is kept for the next start."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from chat.client.last_used import FILE, LastUsed, keep, load

USED = LastUsed("grpc", "den", "zoë", "light", ("den", "lab"))


def test_it_is_read_as_it_was_kept(tmp_path: Path) -> None:
    keep(tmp_path, USED)
    assert load(tmp_path, pytest.fail) == USED
    assert os.listdir(tmp_path) == [FILE]


def test_before_the_first_time_nothing_is_known(tmp_path: Path) -> None:
    assert load(tmp_path, pytest.fail) == LastUsed()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_only_this_user_can_read_it(tmp_path: Path) -> None:
    keep(tmp_path, USED)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"null",
        b'{"room": "\\u001b[31m"}',
        b'{"nick": "a b"}',
        b'{"rooms": 5}',
        b'{"rooms": "lab"}',
        b'{"rooms": {}}',
        b'{"rooms": ["A b"]}',
        b"[" * 100_000,
    ],
)
def test_a_broken_file_is_said_and_harmless(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    said: list[str] = []
    assert load(tmp_path, said.append) == LastUsed()
    (line,) = said
    assert str(tmp_path / FILE) in line
    keep(tmp_path, USED)
    assert load(tmp_path, pytest.fail) == USED


def test_what_could_not_be_kept_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    keep(tmp_path, USED)
    assert os.listdir(tmp_path) == [FILE]


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    keep(tmp_path / "missing", USED)
    assert load(tmp_path / "missing", pytest.fail) == LastUsed()
