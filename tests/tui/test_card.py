"""The card of a technique: what it is, what it promises, and the code of both sides."""

from __future__ import annotations

import pytest

import backends
from lab.chapter import source
from tests.support.desk import Desk, Running, chat, chatting, check_golden, text, until
from tests.tui.test_sizes import SMALL
from tui.screens.card import CardScreen


async def opened(pilot: Running) -> None:
    await pilot.app.run_action("screen.command('card')")
    await until(pilot, lambda: isinstance(pilot.app.screen, CardScreen) and "who calls whom" in text(pilot))


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 20)], ids=str)
async def test_the_card_looks_as_it_was_judged(size: tuple[int, int]) -> None:
    async with chatting(Desk(), size) as pilot:
        await pilot.app.run_action("screen.command('card')")
        await until(pilot, lambda: isinstance(pilot.app.screen, CardScreen) and "7010" in text(pilot))
        check_golden(pilot, f"card-{size[0]}x{size[1]}")


async def test_keys_show_the_code_of_client_and_server() -> None:
    async with chatting(Desk()) as pilot:
        await opened(pilot)
        await pilot.press("c")
        await until(pilot, lambda: "backends/tcp/client.py" in text(pilot))
        assert "from __future__" in text(pilot)
        await pilot.press("s")
        await until(pilot, lambda: "backends/tcp/server.py" in text(pilot))
        await pilot.press("down", "pagedown", "t")
        await until(pilot, lambda: "who calls whom" in text(pilot))
        await pilot.press("h", "i")
        await until(pilot, lambda: chat(pilot).composer.text == "hi")


async def test_the_card_takes_any_size() -> None:
    async with chatting(Desk()) as pilot:
        await opened(pilot)
        for size in [*SMALL, (10, 3), (80, 24)]:
            await pilot.resize_terminal(*size)
            await pilot.press("down")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, CardScreen))


@pytest.mark.parametrize("name", backends.KNOWN)
def test_the_code_of_every_technique_is_there(name: str) -> None:
    label = backends.technique(name)
    for imported in filter(None, (label.client, label.server)):
        file, code = source(imported)
        assert file.startswith(f"backends/{name}/")
        assert f"class {imported.partition(':')[2]}" in code
