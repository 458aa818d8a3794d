"""Who came from where: bounds for what one address and one connection take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from chat.domain.addresses import is_loopback, network
from chat.domain.errors import Full
from chat.domain.model import Bounds
from chat.domain.rate_limit import AddressBuckets


class Origin(NamedTuple):
    """Where a client calls from; "" where that is not known, and nothing is counted."""

    address: str = ""
    connection: str = ""
    """Names the connection among those of its technique, if others may take seats over it, too."""


class Arrivals:
    """Counts seats by address and connection, and paces who comes and which rooms are opened."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float]) -> None:
        """Begin without a seat. ``clock`` returns seconds."""
        self._bounds = bounds
        self._entries = AddressBuckets(bounds.entries, bounds.entry_rate, clock)
        self._rooms = AddressBuckets(bounds.new_rooms, bounds.room_rate, clock)
        self._pages = AddressBuckets(bounds.address_pages, bounds.address_page_rate, clock)
        self._origins: dict[str, Origin] = {}  # by seat
        self._by_address: Counter[str] = Counter()
        self._by_connection: Counter[str] = Counter()

    def check_seats(self, origin: Origin) -> None:
        """Raise `Full` if a client may take no more seats, because of those that it has."""
        bounds, (address, connection) = self._bounds, origin
        most = bounds.loopback_seats if is_loopback(address) else bounds.address_seats
        if address and 0 < most <= self._by_address[network(address)]:
            raise Full(f"your address has {most} seats, the most that it may have: leave one, or try later")
        most = bounds.connection_seats
        if connection and 0 < most <= self._by_connection[connection]:
            raise Full(
                f"{most} seats were taken over this connection, the most that are allowed: "
                "leave one, or use another connection"
            )

    def count_entry(self, origin: Origin) -> None:
        """Count a line that tells who comes. Raises `Full` if there were too many."""
        if wait := self._entries.take(origin.address):
            raise Full(
                f"too many people came from your address at once: try again in {wait:.1f} s", retry_after=wait
            )

    def count_room(self, origin: Origin) -> None:
        """Count a room that is opened. Raises `Full` if there were too many."""
        if wait := self._rooms.take(origin.address):
            raise Full(
                f"too many rooms were opened from your address: use one that exists, "
                f"or try again in {wait:.0f} s",
                retry_after=wait,
            )

    def take_page(self, address: str) -> float:
        """Count a page that is read without a seat; return 0, or the seconds to wait before asking again."""
        return self._pages.take(address)

    def seated(self, seat: str, origin: Origin) -> None:
        """A client has this seat now; somebody from elsewhere may have had it before."""
        self.ended(seat)
        self._origins[seat] = origin
        self._by_address[network(origin.address)] += 1
        self._by_connection[origin.connection] += 1

    def ended(self, seat: str) -> None:
        """A seat is no longer at this node."""
        if (origin := self._origins.pop(seat, None)) is None:
            return
        for counter, name in (
            (self._by_address, network(origin.address)),
            (self._by_connection, origin.connection),
        ):
            counter[name] -= 1
            if not counter[name]:
                del counter[name]
