"""`chat web` in Chromium: a person with a keyboard, and what others see of them."""

from __future__ import annotations

import re
import sys

import pytest

from chat.interfaces.address import Address
from tests.interop.conftest import EnterRoom
from tests.support.browser import ALT, CTRL, SHIFT, Browser
from tests.support.foreign import Foreign
from tests.support.node import Run

TOKEN = "four common words"


@pytest.fixture
def access() -> str:
    return TOKEN


@pytest.fixture
async def web(room_servers: dict[str, Address], run: Run) -> Foreign:
    """A running `chat web`, before its first line."""
    chat = (sys.executable, "-m", "chat", "web", "--port", "0", "-b", "tcp")
    return await run(*chat, "--server", room_servers["tcp"], CHAT_TOKEN=TOKEN)


async def test_what_is_typed_in_a_browser_arrives_over_another_technique(
    browser: Browser, enter_room: EnterRoom, web: Foreign, room_servers: dict[str, Address]
) -> None:
    bob = await enter_room("rest", "bob")
    told = re.fullmatch(r"open (http://\S+/)(#\S+) in a browser", await web.line())
    assert told is not None
    url, token = told[1], told[2]
    page = await browser.page()
    await page.open(url + token)
    await page.until("location.hash === '' && document.querySelector('.xterm-helper-textarea')")
    assert await page.value("[location.href, document.referrer]") == [url, ""]

    # No click, and no waiting: the page takes keys from its first moment on.
    await page.reload()
    await page.type("ann")
    await page.press("Enter")
    await bob.sees("joined", "ann")
    await page.type("hello")
    await page.press("Enter", modifiers=SHIFT)
    await page.type("from")
    await page.press("Enter", modifiers=ALT)
    await page.type("a browser")
    await page.press("Enter")
    assert (await bob.hears("hello\nfrom\na browser")).technique == "tcp"
    await bob.say("hello ann")
    await page.shows("hello ann")
    assert [problem for problem in page.problems if "403" not in problem] == []  # before the token
    assert {request.partition("?")[0] for request in page.requests if not request.startswith("data:")} <= {
        url,
        f"{url}enter",
        *(f"{url}static/{name}" for name in FILES),
    }

    # A page of another origin, in the same browser, with the same cookies.
    other = await browser.page()
    await other.open(f"http://{room_servers['rest']}/rooms")
    address = url.replace("http", "ws") + "ws"
    assert (
        await other.value(
            f"new Promise((said) => {{ const socket = new WebSocket('{address}');"
            " socket.onopen = () => said('open'); socket.onerror = () => said('refused'); })"
        )
        == "refused"
    )
    assert f"a page of http://{room_servers['rest']} in somebody's browser" in await web.complaint()

    # The program ends, and the page offers another one: Enter takes it.
    await page.press("q", modifiers=CTRL)
    await bob.sees("left", "ann")
    await page.until("document.activeElement.id === 'again'")
    await page.press("Enter")
    await page.until(
        "document.querySelector('.xterm-helper-textarea') && !document.querySelector('.-closed')"
    )
    await page.type("ann2")
    await page.press("Enter")
    await bob.sees("joined", "ann2")

    # The tab is closed: the seat is free again.
    await page.close()
    await bob.sees("left", "ann2")


FILES = (
    "RobotoMono-VariableFont_wght.ttf",
    "enter.js",
    "terminal.css",
    "terminal.js",
    "textual.js",
    "xterm.css",
)
