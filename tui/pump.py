"""Passes a session's updates to the screen, in batches, at most 30 times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.app import App

from chat.client.session import Session
from chat.client.session_events import Update

FRAME = 1 / 30
"""Seconds between two batches; each contains the updates since the last one."""


async def pump(session: Session, app: App[None], apply: Callable[[list[Update]], None]) -> None:
    """Call ``apply`` with every batch of updates until the session has ended."""
    async for batch in session.updates():
        with app.batch_update():
            apply(batch)
        await asyncio.sleep(FRAME)
