"""What a hub must answer, as plainly as it can be written: lists, and a look through all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from chat.domain.errors import (
    AccessDenied,
    ChatError,
    DraftConflict,
    Full,
    NickTaken,
    NoSuchMessage,
    NotYours,
    SeatGone,
    TooFast,
)
from chat.domain.guesses import FIRST_DELAY, FORGOTTEN, LAST_DELAY
from chat.domain.model import Ack, Bounds, Delete, Draft, Edit, Event, Hello, Limits, Say
from chat.server.held_draft import HOLD
from chat.server.seat import POLL_AWAY, POLL_GRACE

TOKEN = "sesame"
FREE = 1
"""Wrong tokens that cost nothing, in this model and in the hub beside it."""
NETWORKS = {
    "192.0.2.1": "192.0.2.1",
    "127.0.0.1": "127.0.0.1",
    "2001:db8::1": "2001:db8:0:0",
    "2001:db8::2": "2001:db8:0:0",
}
"""The addresses, and what counts as one customer's."""
Expected = tuple[type[Event | Ack | ChatError], float | None]
"""The kind of an answer, and its ``retry_after``."""


@dataclass
class Bucket:
    """So many at once, and so many a second after that."""

    burst: float
    rate: float
    at: float
    left: float = -1.0

    def take(self, now: float) -> float:
        """Return 0, or the seconds until there is another one."""
        self.left = self.burst if self.left < 0 else min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return (1 - self.left) / self.rate
        self.left -= 1
        return 0.0


@dataclass(eq=False)
class Person:
    """Somebody who got a seat, once."""

    seat: str
    key: str
    nick: str
    room: str
    technique: str
    bucket: Bucket
    expires: float | None
    """When the seat ends; None: its owner is connected."""
    there_until: float
    """Before that the owner is not away."""
    origin: tuple[str, str] | None
    asked: str
    """The key of the hello that got the seat: the same hello gets the same seat again."""
    alive: bool = True
    drafts: dict[int, Draft] = field(default_factory=dict)
    """Those that were accepted, by number."""
    held: int = 0
    """The draft that came too fast, so that no later one may pass it."""
    held_halves: int = 0
    held_until: float = 0.0
    """When the half of the time ends that runs now."""


@dataclass(frozen=True)
class Line:
    """An event, as far as the model can know it."""

    kind: str
    seat: str = ""
    id: int = 0
    text: str = ""


class HubModel:
    """Rooms, people and counts."""

    def __init__(self, limits: Limits, bounds: Bounds, now: Callable[[], float]) -> None:
        self.limits = limits
        self.bounds = bounds
        self.now = now
        self.people: list[Person] = []
        self.lines: dict[str, list[Line]] = {}
        """By room: its events."""
        self.restart()

    def restart(self) -> None:
        """The server was started again, on the same log: all that is not in the log is forgotten."""
        self.entries: dict[str, Bucket] = {}
        self.new_rooms: dict[str, Bucket] = {}
        self.wrong: dict[str, tuple[int, float]] = {}
        self.right: dict[str, float] = {}
        for one in self.there():
            one.expires, one.there_until, one.origin = self.now() + self.limits.grace, 0.0, None
            one.bucket, one.held = self._bucket(), 0

    def there(self, room: str = "") -> list[Person]:
        """Return those who have a seat, in this room if one is named."""
        return [one for one in self.people if one.alive and room in ("", one.room)]

    def _bucket(self) -> Bucket:
        return Bucket(self.limits.burst, self.limits.rate, self.now())

    # --- coming in -----------------------------------------------------------------------------

    def admit(self, token: str, address: str) -> Expected | None:
        """Return how somebody with this token is refused; None: it is not."""
        now, place = self.now(), NETWORKS[address]
        count, last = self.wrong.get(place, (0, now))
        delay = min(LAST_DELAY, FIRST_DELAY * 2 ** (count - FREE - 1)) if count > FREE else 0.0
        wait = max(0.0, last + delay - now)
        if wait and now - self.right.get(address, -1e9) > FORGOTTEN:
            return AccessDenied, wait
        if token == TOKEN:
            self.right[address] = now
            return None
        if token and not wait:
            self.wrong[place] = (1 if now - last > FORGOTTEN else count + 1, now)
        return AccessDenied, None

    def open(self, room: str, address: str, loaded: Iterable[str]) -> Expected | None:
        """Return how a room is refused to somebody who comes. ``loaded``: the rooms in use."""
        loaded = set(loaded)
        if room in loaded:
            return None
        if len(loaded) >= self.limits.rooms and all(self.there(one) for one in loaded):
            return Full, None
        if room not in self.lines:
            if wait := self._take(self.new_rooms, address, self.bounds.new_rooms, self.bounds.room_rate):
                return Full, wait
            self.lines[room] = [Line("opened")]
        return None

    def owner(self, key: str, room: str, nick: str) -> Person | None:
        """Return whose seat is given back; None: a new one is wanted."""
        same = [one for one in self.there(room) if one.nick.lower() == nick.lower()]
        opened = [one for one in same if one.key == key]
        again = [one for one in same if key and one.asked == key]
        return next(iter(opened + again), None)

    def resume(self, one: Person, technique: str, origin: tuple[str, str]) -> Expected | None:
        """Return how a seat is not given back."""
        self._renew(one, 1, 1)
        if one.technique != technique:
            if refusal := self._entry(origin):
                return refusal
            one.technique = technique
            self.lines[one.room].append(Line("resumed", one.seat))
        one.origin = origin
        return None

    def join(self, room: str, nick: str, origin: tuple[str, str]) -> Expected | None:
        """Return how a new seat is refused."""
        address, connection = origin
        origins = [one.origin for one in self.there() if one.origin]
        if len(self.there()) >= self.limits.seats:
            return Full, None
        most = self.bounds.loopback_seats if address == "127.0.0.1" else self.bounds.address_seats
        if sum(NETWORKS[one] == NETWORKS[address] for one, _ in origins) >= most:
            return Full, None
        if connection and sum(one == connection for _, one in origins) >= self.bounds.connection_seats:
            return Full, None
        for one in self.there(room):
            if one.nick.lower() == nick.lower():
                away = one.expires is not None and self.now() >= one.there_until
                return NickTaken, one.expires - self.now() if away and one.expires is not None else None
        return self._entry(origin)

    def joined(self, seat: str, key: str, hello: Hello, technique: str, origin: tuple[str, str]) -> None:
        """Somebody has got a new seat."""
        until, bucket, asked = self.now() + self.limits.grace, self._bucket(), hello.seat_key
        for one in self.people:
            same = bool(asked) and (one.asked, one.room, one.nick.lower()) == (
                asked,
                hello.room,
                hello.nick.lower(),
            )
            assert (one.key == key) == (one.seat == seat) == same
        self.people.append(
            Person(seat, key, hello.nick, hello.room, technique, bucket, until, until, origin, asked)
        )
        self.lines[hello.room].append(Line("joined", seat))

    def _entry(self, origin: tuple[str, str]) -> Expected | None:
        wait = self._take(self.entries, origin[0], self.bounds.entries, self.bounds.entry_rate)
        return (Full, wait) if wait else None

    def _take(self, buckets: dict[str, Bucket], address: str, burst: float, rate: float) -> float:
        place = NETWORKS[address]
        return buckets.setdefault(place, Bucket(burst, rate, self.now())).take(self.now())

    # --- being there ---------------------------------------------------------------------------

    def attached(self, one: Person) -> None:
        one.expires = None

    def dropped(self, one: Person) -> None:
        if one.expires is None:
            one.expires, one.there_until = self.now() + self.limits.grace, 0.0

    def polled(self, one: Person) -> None:
        self._renew(one, POLL_GRACE, POLL_AWAY)

    def _renew(self, one: Person, graces: int, there: int) -> None:
        if one.expires is not None:
            one.expires = self.now() + self.limits.grace * graces
            one.there_until = self.now() + self.limits.grace * there

    def left(self, one: Person) -> None:
        one.alive = False
        self.lines[one.room].append(Line("left", one.seat))

    def time_has_passed(self) -> None:
        """Let go of what was held: the second half begins when the first has ended, however late that is."""
        for one in self.people:
            if one.held_halves and one.held_until <= self.now():
                one.held_halves, one.held_until = one.held_halves - 1, self.now() + HOLD / 2
                one.held = one.held if one.held_halves else 0

    def expired(self) -> list[Person]:
        """Return whose grace time is over."""
        return [one for one in self.there() if one.expires is not None and one.expires <= self.now()]

    # --- drafts --------------------------------------------------------------------------------

    def draft(self, one: Person, draft: Draft, messages: dict[int, str]) -> Expected:
        """Return what becomes of a draft. ``messages``: by id, whose those are that can be changed."""
        if not one.alive:
            return SeatGone, None
        if draft.n in one.drafts:
            return (Ack if one.drafts[draft.n] == draft else DraftConflict), None
        if isinstance(draft, Edit | Delete):
            if draft.id not in messages:
                return NoSuchMessage, None
            if messages[draft.id] != one.seat:
                return NotYours, None
        if one.held and draft.n > one.held:
            return TooFast, None
        if draft.n == one.held:
            one.held = 0
        if wait := one.bucket.take(self.now()):
            if not 0 < one.held < draft.n:
                one.held, one.held_halves, one.held_until = draft.n, 2, self.now() + HOLD / 2
            return TooFast, wait
        one.drafts[draft.n] = draft
        match draft:
            case Say():
                line = Line("sent", one.seat, text=draft.text)
            case Edit():
                line = Line("edited", one.seat, draft.id, draft.text)
            case Delete():
                line = Line("deleted", one.seat, draft.id)
        self.lines[one.room].append(line)
        return Event, None
