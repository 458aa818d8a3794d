"""The request queue: requests are served in order, a bounded number a turn, and none while a reason holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from chat.transport.flow_control import Reason
from chat.transport.request_queue import TURN, RequestQueue


class Transport:
    def __init__(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Served:
    """A queue, and what it has served."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.requests: list[int] = []
        self.turns: list[int] = []
        """How many were served at the end of each turn."""
        self.on: dict[int, Callable[[], object]] = {}
        """What serving this request does."""
        self.queue: RequestQueue[int] = RequestQueue(
            self.transport, self._serve, lambda: self.turns.append(len(self.requests))
        )

    def _serve(self, request: int) -> None:
        self.requests.append(request)
        self.on.get(request, lambda: None)()


async def test_requests_are_served_at_once_and_in_order() -> None:
    served = Served()
    served.queue.put([1, 2])
    served.queue.put([3])
    assert served.requests == [1, 2, 3]
    assert served.turns == [2, 3]
    assert served.transport.reading


async def test_after_a_turn_others_may_run_and_nothing_is_read_until_all_is_served() -> None:
    served = Served()
    served.queue.put(range(2 * TURN + 1))
    assert len(served.requests) == TURN
    assert not served.transport.reading
    await asyncio.sleep(0)
    assert len(served.requests) == 2 * TURN
    await asyncio.sleep(0)
    assert served.requests == list(range(2 * TURN + 1))
    assert served.transport.reading


async def test_a_request_that_pauses_holds_those_behind_it() -> None:
    served = Served()
    served.on[2] = lambda: served.queue.pause(Reason.BUSY)
    served.queue.put([1, 2, 3])
    await asyncio.sleep(0)
    assert served.requests == [1, 2]
    served.queue.resume(Reason.BUSY)
    assert served.requests == [1, 2], "whoever resumes is not interrupted"
    await asyncio.sleep(0)
    assert served.requests == [1, 2, 3]
    assert served.transport.reading


async def test_with_two_reasons_the_last_one_goes_on() -> None:
    served = Served()
    served.queue.pause(Reason.UNREAD)
    served.queue.pause(Reason.UNDECIDED)
    served.queue.put([1])
    served.queue.resume(Reason.UNREAD)
    await asyncio.sleep(0)
    assert served.requests == []
    served.queue.resume(Reason.UNDECIDED)
    await asyncio.sleep(0)
    assert served.requests == [1]


async def test_what_arrives_while_reading_is_paused_is_served_later_and_in_order() -> None:
    """It was under way, e.g. in the buffer of TLS."""
    served = Served()
    served.queue.pause(Reason.BUSY)
    served.queue.put([1])
    served.queue.put([2])
    served.queue.resume(Reason.BUSY)
    await asyncio.sleep(0)
    assert served.requests == [1, 2]
    assert served.transport.reading


async def test_a_pause_between_resuming_and_the_turn_is_kept() -> None:
    served = Served()
    served.queue.pause(Reason.BUSY)
    served.queue.put([1])
    served.queue.resume(Reason.BUSY)
    served.queue.pause(Reason.UNREAD)
    await asyncio.sleep(0)
    assert served.requests == []
    served.queue.resume(Reason.UNREAD)
    await asyncio.sleep(0)
    assert served.requests == [1]


async def test_stopping_within_a_turn_returns_the_rest_and_reads_on() -> None:
    served = Served()
    rest: list[int] = []
    served.on[2] = lambda: rest.extend(served.queue.stop())
    served.queue.put([1, 2, 3, 4])
    await asyncio.sleep(0)
    assert (served.requests, rest) == ([1, 2], [3, 4])
    assert served.transport.reading


async def test_a_stopped_queue_serves_nothing_when_a_reason_ends() -> None:
    served = Served()
    served.queue.pause(Reason.BUSY)
    served.queue.put([1])
    assert served.queue.stop() == [1]
    served.queue.resume(Reason.BUSY)
    await asyncio.sleep(0)
    assert served.requests == []


async def test_it_tells_for_what_it_is_paused() -> None:
    served = Served()
    served.queue.pause(Reason.UNREAD)
    assert served.queue.paused_for(Reason.UNREAD)
    assert not served.queue.paused_for(Reason.BUSY)
