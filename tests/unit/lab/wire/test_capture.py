"""What a tap has recorded is bounded, and a hole in it can be seen."""

from __future__ import annotations

import threading

from chat.interfaces.frames import Direction
from lab.wire.capture import Capture, Connection

UP, DOWN = Direction


def begun(**options: int) -> tuple[Capture, Connection]:
    capture = Capture(clock=lambda: 7.0, **options)
    return capture, capture.connection("tcp", "client", "server")


def test_chunks_are_taken_once_with_their_places() -> None:
    capture, connection = begun()
    capture.add(connection, UP, b"abc")
    capture.add(connection, DOWN, b"x")
    capture.add(connection, UP, b"de")
    capture.note(connection, UP, "closed", "over")
    assert capture.waiting == 5
    chunks = capture.take()
    assert [(one.what, one.data, one.offset) for one in chunks] == [
        ("opened", b"", 0),
        ("data", b"abc", 0),
        ("data", b"x", 0),
        ("data", b"de", 3),
        ("closed", b"", 5),
    ]
    assert all(one.at == 7.0 for one in chunks)
    assert (connection.sizes, connection.closed) == ([5, 1], 7.0)
    assert capture.take() == []


def test_of_too_many_bytes_the_oldest_are_dropped() -> None:
    capture, connection = begun(max_bytes=10)
    for number in range(5):
        capture.add(connection, UP, b"1234")
        assert sum(len(one.data) for one in capture._chunks) <= 10, number
    chunks = capture.take()
    assert [one.offset for one in chunks] == [12, 16], "a hole shows in the places"
    assert capture.dropped == 4
    assert connection.sizes == [20, 0], "what was dropped counts, too"


def test_of_too_many_chunks_the_oldest_are_dropped() -> None:
    capture, connection = begun(max_chunks=3)
    for _ in range(10):
        capture.add(connection, UP, b"x")
    assert [one.offset for one in capture.take()] == [7, 8, 9]


def test_what_was_taken_makes_room() -> None:
    capture, connection = begun(max_bytes=10)
    for _ in range(100):
        capture.add(connection, UP, b"1234567890")
        assert len(capture.take()[-1].data) == 10
    assert capture.dropped == 0


def test_a_chunk_that_is_too_long_by_itself() -> None:
    capture, connection = begun(max_bytes=10)
    capture.add(connection, UP, bytes(11))
    capture.add(connection, UP, b"x")
    assert [one.offset for one in capture.take()] == [11]


def test_one_thread_adds_while_another_takes() -> None:
    """What was not dropped comes once, in order."""
    capture, connection = begun(max_chunks=50)
    count = 20_000
    taken: list[int] = []
    over = threading.Event()

    def take() -> None:
        while not over.is_set() or capture.waiting:
            taken.extend(one.offset for one in capture.take() if one.what == "data")

    taker = threading.Thread(target=take)
    taker.start()
    for _ in range(count):
        capture.add(connection, UP, b"x")
    over.set()
    taker.join()
    assert taken == sorted(set(taken))
    assert count - capture.dropped <= len(taken) <= count - capture.dropped + 1, (
        "the note may be dropped, too"
    )
