"""The seat keys on disk: who has one, and what is left when the seat has ended."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from chat.client.seat_keys import KEPT, SeatKeyFile


def keys(folder: Path) -> SeatKeyFile:
    return SeatKeyFile(folder, "127.0.0.1:7010", "lab")


def files(folder: Path) -> list[str]:
    return sorted(path.suffix for path in (folder / "seats").iterdir())


def test_a_kept_key_is_found_again_and_by_one_client_at_a_time(tmp_path: Path) -> None:
    ann, second = keys(tmp_path), keys(tmp_path)
    assert ann.claim("ann") == ""
    ann.keep("ann", "key")
    assert second.claim("ann") == ""
    ann.release()
    assert second.claim("Ann") == "key"
    second.release()


def test_nothing_is_left_of_a_seat_that_has_ended(tmp_path: Path) -> None:
    ann = keys(tmp_path)
    ann.claim("ann")
    ann.keep("ann", "key")
    assert files(tmp_path) == ["", ".lock"]
    ann.forget()
    assert files(tmp_path) == []


def test_nothing_is_left_of_a_nick_that_was_claimed_in_vain(tmp_path: Path) -> None:
    ann = keys(tmp_path)
    ann.claim("ann")
    ann.claim("ann-2")
    assert files(tmp_path) == [".lock"]
    ann.release()
    assert files(tmp_path) == []


def test_an_old_key_that_nobody_holds_goes(tmp_path: Path) -> None:
    seats = [keys(tmp_path) for _ in range(3)]
    for nick, seat in zip(("ann", "bob", "cid"), seats, strict=True):
        seat.claim(nick)
        seat.keep(nick, "key")
    ann, bob, cid = seats
    ann.release()
    bob.release()
    for path in (tmp_path / "seats").iterdir():
        os.utime(path, (time.time() - KEPT - 1,) * 2)
    assert bob.claim("bob") == ""
    assert files(tmp_path) == ["", ".lock", ".lock"]
    bob.release()
    assert cid.claim("cid") == "key"  # as it holds it
    cid.forget()
    assert files(tmp_path) == []


def test_who_waited_for_a_lock_that_goes_locks_the_name_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, third = keys(tmp_path), keys(tmp_path)
    exists, asked = os.path.exists, 0

    def gone_at_first(path: str) -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:  # the one before has removed it between our open and our lock
            Path(path).unlink()
        return exists(path)

    monkeypatch.setattr(os.path, "exists", gone_at_first)
    second.claim("ann")
    second.keep("ann", "key")
    assert third.claim("ann") == ""
    second.forget()
