"""The clock of a SOAP client or of its server jumps, and an access token is required."""

from __future__ import annotations

import time
from functools import partial

import pytest

import backends
from backends.soap import server as soap_server
from backends.soap.calls import MAX_SHIFT
from backends.soap.security import UsernameTokens
from chat.domain.errors import AccessDenied
from chat.domain.model import Say
from chat.interfaces.technique import Technique
from tests.support.kit import Connect

TOKEN = "sesame-7-long-enough"
pytestmark = pytest.mark.parametrize("access", [TOKEN], ids=["with a token"])


class Clock:
    """The server's, which is ahead of the client's by so many seconds."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def technique() -> Technique:
    label = backends.technique("soap")
    label.load_client()  # before the loop runs: libraries look at files
    label.load_server()
    return label


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(soap_server, "UsernameTokens", partial(UsernameTokens, now=clock.now))
    return clock


async def test_a_client_follows_the_servers_clock_there_and_back(connect: Connect, clock: Clock) -> None:
    client, _ = await connect("ann", access=TOKEN)
    seqs = []
    for number, ahead in enumerate((0, 3600, -3600, 80_000, 0), 1):
        clock.ahead = ahead
        ack = await client.send(Say(f"m{number}", number))
        assert ack is not None
        seqs.append(ack.seq)
    assert seqs == sorted(set(seqs))


async def test_a_client_whose_clock_is_wrong_gets_in(connect: Connect, clock: Clock) -> None:
    clock.ahead = -7200
    client, _ = await connect("ann", access=TOKEN)
    assert await client.members()


@pytest.mark.parametrize("ahead", [-2 * MAX_SHIFT, 2 * MAX_SHIFT])
async def test_a_client_follows_by_a_day_at_most(connect: Connect, clock: Clock, ahead: float) -> None:
    clock.ahead = ahead
    with pytest.raises(AccessDenied, match=r"set the clocks; the server's time is \d{4}-"):
        await connect("ann", access=TOKEN)


async def test_a_wrong_token_is_not_sent_again(connect: Connect, clock: Clock) -> None:
    clock.ahead = 7200
    with pytest.raises(AccessDenied, match="wrong"):  # the second time, by the right clock
        await connect("ann", access="another-token-of-theirs")
