"""The card of a technique: what it is, what it promises, and the code of both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

import backends
from chat.interfaces.address import Address
from chat.language.translation import use
from lab.chapter import explain, source
from tests.support.desk import Desk, Running, chat, chatting, check_golden, text, until
from tests.tui.test_sizes import SMALL
from tui.screens.card import CardScreen, promises


async def opened(pilot: Running) -> None:
    await pilot.app.run_action("screen.command('card')")
    await until(pilot, lambda: isinstance(pilot.app.screen, CardScreen) and "who calls whom" in text(pilot))


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 20)], ids=str)
async def test_the_card_looks_as_it_was_judged(size: tuple[int, int]) -> None:
    async with chatting(Desk(), size) as pilot:
        await pilot.app.run_action("screen.command('card')")
        await until(pilot, lambda: isinstance(pilot.app.screen, CardScreen) and "7010" in text(pilot))
        check_golden(pilot, f"card-{size[0]}x{size[1]}")


async def test_the_card_names_the_port_of_the_server_that_this_chat_is_connected_to() -> None:
    room = Desk()
    room.address = Address("127.0.0.1", 34149)
    async with chatting(room) as pilot:
        await opened(pilot)
        shown = text(pilot)
        assert "nc 127.0.0.1 34149" in shown
        assert "7010" not in shown


@pytest.fixture(params=["en", "fr"])
def _language(request: pytest.FixtureRequest) -> Iterator[None]:
    use(request.param)
    yield
    use("en")


@pytest.mark.usefixtures("_language")
@pytest.mark.parametrize("name", backends.KNOWN)
async def test_a_screen_of_80_columns_shows_every_line_of_a_card(name: str) -> None:
    label = await asyncio.to_thread(backends.technique, name)
    lines = [*promises(label).split("\n"), *(await asyncio.to_thread(explain, label)).splitlines()]
    async with chatting(Desk(), (80, 40)) as pilot:
        await pilot.app.push_screen(CardScreen(label, None, chat(pilot).composer))
        await until(pilot, lambda: lines[0] in text(pilot))
        assert [line for line in lines if line.strip() not in text(pilot)] == []


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
