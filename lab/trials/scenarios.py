"""What goes wrong in a trial, for how long, and who says how much meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from chat.domain.model import Limits
from chat.interfaces.technique import Technique
from lab.wire.capture import Transport

Server = Literal["", "kill", "freeze"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of trouble. It is the same play in each room, and every seed is a room."""

    name: str
    summary: str
    seconds: float
    """How long it lasts."""
    fault: str = ""
    """As ``/fault`` takes it; empty: the server is what fails."""
    server: Server = ""
    """What happens to the server."""
    transports: tuple[Transport, ...] = ("tcp", "udp")
    token: str = ""
    """The server asks for this access token."""
    indefinite: bool = False
    """Without an answer something must be indefinite, if nothing is sent again."""
    until_noticed: bool = False
    """It ends as soon as every client knows of it."""
    before: int = 3
    """Messages of each room before the trouble."""
    during: int = 10
    """Messages of each room from its beginning on."""
    after: int = 1
    """Messages of each room when it is over."""
    pace: float = 0.05
    """Seconds from one message to the next from its beginning on. All rooms talk at the same time: thirty
    that say everything at once would be a load of their own, and not what is tried."""
    pace_around: float = 0.02
    """The same before the trouble, and when it is over."""
    rooms: int = 0
    """How many there are, whatever is asked for; 0: one a seed. Many people are a load: few seeds do."""
    people: int = 1
    """In each room."""
    speakers: int = 1
    """So many of them say something, each in turn."""

    long_polls: bool = False
    """Who polls lets the server keep the request open: asking each second is not idle."""
    patience: float = 40.0
    """Seconds in which everything must be well again, and then everything that is in the log be seen."""
    side_by_side: int = 1
    """How many techniques may be tried at the same time: where most of the time is waiting."""
    over_a_broker: str = ""
    """The fault that comes in place of what happens to the server, if that is a broker."""

    @property
    def trouble(self) -> str:
        """What the history calls it; empty: nothing goes wrong."""
        return self.fault or (self.name if self.server else "")

    @property
    def played(self) -> str:
        """How often it is played if that does not depend on the seeds, in words."""
        return f"once, in {self.rooms} room{'s' * (self.rooms > 1)} of {self.people}"

    def fitted(self, technique: Technique) -> Scenario:
        """Return it as it is played over a technique.

        No server of ours stands before a broker: what happens to a server must be another fault, and each
        client keeps the rate by itself, so that many must say what is much.
        """
        burst = Limits().burst
        if technique.server is None and self.during > burst * self.speakers:
            return replace(self, rooms=self.during // burst // 10, people=10, speakers=10, during=10 * burst)
        if self.server and technique.server is None and self.over_a_broker:
            return replace(self, server="", fault=self.over_a_broker)
        return self

    def missing(self, technique: Technique, transport: Transport) -> str:
        """Return why a technique can't be tried with it; empty: it can."""
        if transport not in self.transports:
            return f"{transport} can't suffer it"
        if self.server and technique.server is None:
            return "the server is a broker, which is not ours to kill"
        return ""


SCENARIOS = (
    Scenario(
        "latency", "everything takes 50 to 250 ms longer, each way", 2.0, "latency 150ms±100ms", pace=0.2
    ),
    Scenario("slow line", "10 kB/s, each way", 2.0, "rate 10kB/s", pace=0.2),
    Scenario("stall", "nothing passes for 2 s, then everything does", 2.0, "stall", pace=0.2),
    Scenario("cut", "the connection breaks", 0.5, "cut", transports=("tcp",)),
    Scenario("refused", "the server can't be reached for 2 s", 2.0, "refuse", transports=("tcp",), pace=0.2),
    Scenario(
        "half-open",
        "nothing arrives any more, and nobody is told; until the client knows",
        20.0,
        "half-open",
        indefinite=True,
        until_noticed=True,
        side_by_side=3,
        pace=0.3,
    ),
    Scenario("reply lost", "a message is stored, its answer is lost", 1.0, "reply-lost", indefinite=True),
    Scenario(
        "segments lost",
        "a fifth of the segments comes later",
        2.0,
        "retransmit 0.2",
        transports=("tcp",),
        pace=0.2,
    ),
    Scenario("loss", "a fifth of the datagrams is lost", 2.0, "loss 0.2", transports=("udp",), pace=0.2),
    Scenario(
        "duplicates",
        "a fifth of the datagrams comes twice",
        2.0,
        "duplicate 0.2",
        transports=("udp",),
        pace=0.2,
    ),
    Scenario(
        "reordered", "a fifth of the datagrams comes late", 2.0, "reorder 0.2", transports=("udp",), pace=0.2
    ),
    Scenario(  # without a token nothing would find a wrong byte that UDP's checksum has missed
        "corrupted",
        "a tenth of the datagrams has a wrong byte, and a MAC finds it",
        2.0,
        "corrupt 0.1",
        transports=("udp",),
        token="a token for the MAC",
        pace=0.2,
    ),
    Scenario("server killed", "kill -9, and a new start at once", 0.5, server="kill", side_by_side=2),
    Scenario(
        "server away",
        "kill -9, and a new start after 4 s",
        4.0,
        server="kill",
        after=4,
        pace=0.35,
        pace_around=0.35,
        side_by_side=2,
    ),
    Scenario(
        "server frozen",
        "stopped until the client knows: its system still takes bytes",
        20.0,
        server="freeze",
        until_noticed=True,
        side_by_side=5,
        pace=0.3,
    ),
    Scenario(
        "reconnect storm",
        "200 clients lose the server, kill -9, and all come back; from a broker they are cut off",
        0.5,
        server="kill",
        over_a_broker="cut",
        rooms=20,
        people=10,
        speakers=10,
        before=10,
        during=10,
        after=10,
        patience=60.0,
        pace=0.01,
        pace_around=0.01,
    ),
    Scenario(
        "burst",
        "one client says 10,000 things at once, two listen; over a broker 200 clients say 50 each",
        0.0,
        rooms=1,
        people=3,
        before=0,
        during=10_000,
        pace=0.0,
        patience=240.0,
    ),
    Scenario(
        "idle seats",
        "1,000 clients sit there for 10 s (if they poll: with long polls); then one a room says something",
        10.0,
        rooms=100,
        people=10,
        before=0,
        during=0,
        long_polls=True,
        patience=240.0,  # a broker needs a minute or two until a thousand are in
    ),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
