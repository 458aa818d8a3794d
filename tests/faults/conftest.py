"""The bad input comes in on both event loops: each has its own transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

LoopFactories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> LoopFactories | None:
    if not item.path.name.endswith(("_bad_input.py", "_datagrams.py")):
        return None
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return None
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
