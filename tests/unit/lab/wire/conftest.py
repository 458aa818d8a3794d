"""A tap on each event loop that it may run on, and what it has captured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

import lab.wire.tap
from lab.wire.tap import Tap


def uvloop_s() -> asyncio.AbstractEventLoop:
    return pytest.importorskip("uvloop", reason="there is none for Windows").new_event_loop()  # type: ignore[no-any-return]


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop_s,
    "asyncio": asyncio.new_event_loop,
}


@pytest.fixture(params=[*LOOPS, "of the client"])
async def tap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tap]:
    if make_loop := LOOPS.get(request.param):
        monkeypatch.setattr(lab.wire.tap, "_new_loop", make_loop)
        tap = await asyncio.to_thread(Tap)
    else:
        tap = Tap(loop=asyncio.get_running_loop())
    yield tap
    await asyncio.to_thread(tap.close)
