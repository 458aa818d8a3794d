"""The SOAP client: every call names its seat by the seat key, and is an envelope that zeep makes."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import msgspec

from backends.soap.calls import Calls, document
from backends.soap.conversion import LIMITS, MAX_EVENTS, MAX_WAIT, camel
from chat.domain.errors import ConnectionLost
from chat.domain.model import Ack, Delete, Edit, Event, Hello, Limits, Member, Say, Welcome
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.transport.errors import not_our_words
from chat.transport.polling import POLL
from chat.transport.polling_client import Page, PollingClient

T = TypeVar("T")

_WELCOME = [name for name in Welcome.__struct_fields__ if name not in ("members", "limits")]


class SoapClient(PollingClient):
    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        options = options or ClientOptions()
        super().__init__(address, options, interval=POLL.among(options.settings))
        self._calls: Calls | None = None

    async def _join(self, hello: Hello) -> tuple[Welcome, int]:
        hello = LIMITS.check_hello(hello)
        await asyncio.to_thread(document)
        self._calls = Calls(self.address, self.options, hello.nick, hello.access)
        cursor = hello.cursor
        joined = await self._request(
            "Join",
            room=hello.room,
            nick=hello.nick,
            seatKey=hello.seat_key or None,
            after=cursor.seq if cursor else None,
            epoch=(cursor.epoch or None) if cursor else None,
            replay=hello.replay,
        )
        limits = self._made(Limits, _fields(joined.limits, Limits.__struct_fields__))
        fields = {**_fields(joined, _WELCOME), "members": (), "limits": limits}
        welcome, start = self._made(Welcome, fields), self._made(int, joined.start)
        self._seat_key = welcome.seat_key
        return msgspec.structs.replace(welcome, members=tuple(await self._members())), start

    async def _say(self, draft: Say) -> Ack:
        return await self._change("Send", n=draft.n, text=LIMITS.check_text(draft.text))

    async def _edit(self, draft: Edit) -> Ack:
        return await self._change("Edit", n=draft.n, id=draft.id, text=LIMITS.check_text(draft.text))

    async def _delete(self, draft: Delete) -> Ack:
        return await self._change("Delete", n=draft.n, id=draft.id)

    async def _fetch(self, after: int | None, before: int | None, limit: int, wait: float = 0.0) -> Page:
        answer = await self._request(
            "Fetch",
            seatKey=self._seat_key,
            after=after,
            before=before,
            limit=min(limit, MAX_EVENTS),
            wait=min(MAX_WAIT, round(wait)),
        )
        events = [self._made(Event, _present(event, Event)) for event in answer.event]
        return Page(events, self._made(int, answer.head))

    async def _members(self) -> list[Member]:
        return await self._list("Members")

    async def _seen(self) -> list[Member]:
        return await self._list("Seen")

    async def _list(self, operation: str) -> list[Member]:
        answer = await self._request(operation, seatKey=self._seat_key)
        return [self._made(Member, _present(member, Member)) for member in answer or ()]

    async def _ping(self) -> None:
        await self._request("Ping")

    async def _leave(self) -> None:
        await self._request("Leave", seatKey=self._seat_key)

    async def _disconnect(self) -> None:
        if self._calls is not None:
            await self._calls.close()

    # --- requests ------------------------------------------------------------------------------

    async def _request(self, operation: str, **arguments: Any) -> Any:
        """Call an operation; return what zeep reads in the response."""
        assert self._calls is not None
        return await self._calls.call(operation, **arguments)

    async def _change(self, operation: str, **arguments: Any) -> Ack:
        answer = await self._request(operation, seatKey=self._seat_key, **arguments)
        return self._made(Ack, {"n": answer.n, "seq": answer.seq})

    def _made(self, kind: type[T], fields: Any) -> T:
        """Return a value of the model. Raises `ConnectionLost` if the server has left something out."""
        try:
            return msgspec.convert(fields, kind)
        except msgspec.ValidationError as error:
            raise ConnectionLost(not_our_words(self.address, "soap", error)) from None


def _fields(value: Any, names: Any) -> dict[str, Any]:
    """Return the fields by the model's names; an element that is absent is None."""
    return {name: getattr(value, camel(name), None) for name in names}


def _present(value: Any, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the fields that are there: an empty one is left out of the XML, and zeep reads it as None."""
    return {name: held for name in kind.__struct_fields__ if (held := getattr(value, name, None)) is not None}
