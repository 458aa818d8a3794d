"""A tap in the way of one session: made when somebody looks, and gone when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from chat.interfaces.tls import Trust

if TYPE_CHECKING:  # late: every screen has a wiretap, and it is painted before somebody looks
    from lab.wire.capture import Transport
    from lab.wire.compare import Sample
    from lab.wire.passing import Interference
    from lab.wire.tap import Tap
    from lab.wire.trace import Trace

TakeSample = Callable[[str, str], Awaitable["Sample"]]
"""Sends a text over the technique with a name, and returns what passed. Raises `ChatError`."""


class Wiretap:
    """What `chat.client.connect.open_session` takes as a detour, and the frames that pass."""

    def __init__(
        self,
        technique: Technique,
        settings: Mapping[str, str],
        state: Path,
        take_sample: TakeSample | None = None,
        interference: Interference | None = None,
    ) -> None:
        """Begin; nothing is in the way before `start`.

        Args:
            technique: of the session.
            settings: of the session, by `Setting.name`.
            state: the state folder, for the certificate that is needed where there is TLS.
            take_sample: None: there is no other technique to compare with.
            interference: what goes wrong on the way; None: nothing.
        """
        self.interference = interference
        self.take_sample = take_sample
        self.technique = technique
        self.trace: Trace | None = None
        """What has passed; None: nobody looks."""
        self._transport = technique.transport(settings)
        self._state = state
        self._tap: Tap | None = None
        self._left: list[Tap] = []
        self.encrypted = False
        """The session uses TLS: the tap ends it, and encrypts again on the way to the server."""

    async def start(self) -> None:
        """Be in the way of the session's next connections. Raises OSError."""
        from lab.wire.tap import Tap
        from lab.wire.trace import Trace

        if self._tap is None:
            self._tap = Tap(None, self.interference, asyncio.get_running_loop())
            self.trace = Trace(self._tap.capture, await asyncio.to_thread(self.technique.load_decoder))

    async def detour(
        self, addresses: list[Address], trust: Trust | None
    ) -> tuple[list[Address], Trust | None]:
        """Return where the session connects to, and whom it trusts there: the tap, if somebody looks."""
        tap = self._tap
        if tap is None:
            return addresses, trust
        encryption = None
        if trust is not None:
            from lab.wire.encryption import Encryption

            encryption = await asyncio.to_thread(Encryption.between, self._state, trust)
        self.encrypted = encryption is not None
        here = [
            await asyncio.to_thread(tap.relay, one, self._transport, encryption=encryption)
            for one in addresses
        ]
        return here, encryption.trust if encryption else None

    @property
    def tap(self) -> Tap | None:
        """What is in the way of the session's next connection."""
        return self._tap

    @property
    def transport(self) -> Transport:
        """What carries the session's bytes."""
        return self._transport

    @property
    def on(self) -> bool:
        """Whether it is in the way of the session's next connection."""
        return self._tap is not None

    async def let_pass(self) -> None:
        """Let everything pass that waits at a stopped wire."""
        for tap in (self.tap, *self._left):
            if tap is not None and tap.frozen:
                await asyncio.to_thread(tap.freeze, False)

    def leave(self) -> None:
        """Be in the way of no new connection. The trace stays as it is."""
        if self._tap is not None:
            self._left.append(self._tap)
            self._tap = None

    async def close(self) -> None:
        """Break the connections through the taps that were left."""
        left, self._left = self._left, []
        for tap in left:
            await asyncio.to_thread(tap.close)

    async def stop(self) -> None:
        """Break all connections through it."""
        self.leave()
        await self.close()
