"""Reads a room over REST without a seat: the same requests, without a Seat-Key."""

from __future__ import annotations

from backends.rest.client import RestClient, access_header
from backends.rest.codec import MemberList, RoomState
from chat.domain.json_codec import Decoder
from chat.domain.model import Event, Limits, Member
from chat.domain.validation import clean_room
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.interfaces.watcher import Watcher
from chat.transport.http_client import open_http
from chat.transport.polling import WAIT

_members: Decoder[MemberList] = Decoder(MemberList)
_state: Decoder[RoomState] = Decoder(RoomState)


class _Seatless(RestClient):
    """A client that takes no seat."""

    def look(self, room: str, access: str) -> None:
        self._room = f"/rooms/{clean_room(room)}"
        self._access = self._seated = access_header(access)
        self._http = open_http(self.options)

    async def epoch(self) -> str:
        _, content = await self._request("GET", self._room, self._access)
        return self._read(_state, content).epoch

    async def newest(self) -> list[Event]:
        return list((await self._fetch(None, None, Limits().page)).events)

    async def after(self, seq: int) -> list[Event]:
        return list((await self._poll(seq, WAIT)).events)

    async def people(self) -> tuple[list[Member], dict[str, int]]:
        _, content = await self._request("GET", f"{self._room}/members", self._access)
        found = self._read(_members, content)
        return found.members, found.behind

    async def end(self) -> None:
        await self._disconnect()


class RestWatcher(Watcher):
    """Reads by long polls."""

    def __init__(self, address: Address, options: ClientOptions, room: str, access: str) -> None:
        super().__init__(address, options, room, access)
        self._client = _Seatless(address, options)
        self._client.look(room, access)

    async def epoch(self) -> str:
        return await self._client.epoch()

    async def newest(self) -> list[Event]:
        return await self._client.newest()

    async def after(self, seq: int) -> list[Event]:
        return await self._client.after(seq)

    async def members(self) -> tuple[list[Member], dict[str, int]]:
        return await self._client.people()

    async def close(self) -> None:
        await self._client.end()
