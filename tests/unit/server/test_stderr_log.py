"""The log of a server: it never blocks, and it is bounded."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from chat.server import stderr_log
from chat.server.stderr_log import BURST, MAX_WAITING, RATE, StderrLog


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("x", logging.ERROR, __file__, 1, text, None, None)


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_pipe_that_nobody_reads_blocks_nothing(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stderr_log, "BURST", 10**9)
    monkeypatch.setattr(stderr_log, "PATIENCE", 0.01)
    os.set_blocking(pipe[1], False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe[1], 5000 * b"y")
    os.set_blocking(pipe[1], True)
    log = StderrLog(pipe[1])
    log.emit(record(5000 * "x"))
    while log._queue.qsize():  # until its thread has taken it, and waits for the pipe
        time.sleep(0.001)
    for _ in range(2 * MAX_WAITING):
        log.emit(record(5000 * "x"))
    assert log.left_out == MAX_WAITING
    log.close()
    os.set_blocking(pipe[0], False)
    while log._thread.is_alive():
        try:
            os.read(pipe[0], 1 << 20)
        except BlockingIOError:
            log._thread.join(0.01)


def test_more_than_the_rate_is_left_out_and_counted(pipe: tuple[int, int]) -> None:
    clock = Time()
    log = StderrLog(pipe[1], clock)
    for _ in range(BURST + 7):
        log.emit(record("again"))
    clock.now += 1 / RATE
    log.emit(record("after a while"))
    log.close()
    lines = os.read(pipe[0], 1 << 16).decode().splitlines()
    assert lines == [*["again"] * BURST, "(7 log records were left out)", "after a while"]


@pytest.mark.parametrize(("max_file", "kept"), [(0, 5000), (1000, 1100)])
def test_the_file_of_the_background_server_begins_anew(tmp_path: Path, max_file: int, kept: int) -> None:
    file = tmp_path / "server.log"
    with file.open("wb") as out:
        log = StderrLog(out.fileno(), max_file=max_file)
        for number in range(50):
            log.emit(record(f"{number:02} " + 96 * "x"))
        log.close()
    assert file.read_text().splitlines()[-1].startswith("49 ")
    assert kept - 200 <= file.stat().st_size <= kept
