"""When a session tries again: growing pauses, what the server asks for, and when it gives up."""

from __future__ import annotations

from chat.client.reconnect import AFTER_RETRY, ReconnectPolicy
from chat.domain.errors import BadName, BadRequest, ConnectionLost, NickTaken, SeatTaken
from chat.domain.rate_limit import LAST_RETRY

LOST = ConnectionLost("gone")


class Now:
    """A clock that the test sets."""

    time = 0.0

    def __call__(self) -> float:
        return self.time


def policy(give_up: float | None = None) -> tuple[ReconnectPolicy, Now]:
    now = Now()
    return ReconnectPolicy(give_up, now, lambda: 0.5), now


def test_pauses_grow_up_to_a_bound_and_begin_anew_after_a_connection() -> None:
    tries, _ = policy()
    delays = [tries.delay(LOST) or 0.0 for _ in range(12)]
    assert delays == sorted(delays)
    assert delays[0] < delays[1] < delays[-1] == LAST_RETRY
    tries.connected()
    assert tries.delay(LOST) == delays[0]


def test_what_the_server_asks_for_is_kept() -> None:
    tries, _ = policy()
    assert tries.delay(ConnectionLost("busy", retry_after=3.0)) == 3.0 + AFTER_RETRY


def test_a_final_refusal_ends_the_tries() -> None:
    tries, _ = policy()
    assert tries.delay(BadName("no")) is None


def test_a_doubtful_refusal_counts_when_it_comes_twice() -> None:
    tries, _ = policy()
    assert tries.delay(BadName("no"), doubtful=True) is not None
    assert tries.delay(LOST) is not None
    assert tries.delay(BadName("no"), doubtful=True) is not None, "another answer came between the two"
    assert tries.delay(BadName("no"), doubtful=True) is None
    tries.connected()
    assert tries.delay(NickTaken("taken"), doubtful=True) is not None
    assert tries.delay(NickTaken("taken"), doubtful=True) is None


def test_with_a_seat_only_a_bad_request_is_doubtful() -> None:
    tries, _ = policy()
    for _ in range(3):
        assert tries.delay(BadRequest("damaged"), doubtful=True, seated=True) is not None
        tries.connected()
    assert tries.delay(SeatTaken("by another program"), doubtful=True, seated=True) is None
    assert tries.delay(BadRequest("not damaged"), seated=True) is None


def test_a_nick_is_waited_for_only_while_its_owner_is_away() -> None:
    tries, _ = policy()
    assert tries.delay(NickTaken("away", retry_after=2.0)) is not None
    assert tries.delay(NickTaken("taken")) is None


def test_it_gives_up_after_its_time_without_a_connection() -> None:
    tries, now = policy(give_up=5.0)
    now.time = 4.5
    assert tries.delay(ConnectionLost("busy", retry_after=3.0)) == 0.5
    now.time = 5.0
    assert tries.delay(LOST) is None
    tries.disconnected()
    assert tries.delay(LOST) is not None
