"""`chat web` in Chromium: a person with a keyboard, and what others see of them."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import backends
from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.server import ServerOptions
from chat.server.hub import Hub
from tests.support.browser import SHIFT, Browser, chromium
from tests.support.foreign import Foreign
from tests.support.kit import QUICK
from tests.support.node import Run
from tests.support.people import Person
from tests.support.ports import own_port

TOKEN = "four common words"


@pytest.fixture
def access() -> str:
    return TOKEN


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with chromium(tmp_path / "chromium") as browser:
        yield browser


@pytest.fixture(scope="module")
def _loaded() -> None:
    for name in ("tcp", "rest"):  # here and not on the loop: an import reads files
        backends.technique(name).load_server()
        backends.technique(name).load_client()


@pytest.fixture
async def servers(_loaded: None, hub: Hub) -> AsyncIterator[dict[str, Address]]:
    """The room over TCP, for the browser's chat, and over REST, for Bob."""
    running = {
        name: backends.technique(name).load_server()(
            hub, Address("127.0.0.1", own_port()), ServerOptions(access=TOKEN)
        )
        for name in ("tcp", "rest")
    }
    yield {name: await server.start() for name, server in running.items()}
    for server in running.values():
        await server.stop()


@pytest.fixture
async def bob(servers: dict[str, Address]) -> AsyncIterator[Person]:
    client = backends.technique("rest").load_client()(servers["rest"], QUICK)
    person = Person(client, await client.connect(Hello("lab", "bob", access=TOKEN)))
    person.listen()
    yield person
    await person.stop()
    await client.close()


@pytest.fixture
async def web(servers: dict[str, Address], run: Run) -> Foreign:
    """A running `chat web`, before its first line."""
    chat = (sys.executable, "-m", "chat", "web", "--port", "0", "-b", "tcp")
    return await run(*chat, "--server", servers["tcp"], CHAT_TOKEN=TOKEN)


async def test_what_is_typed_in_a_browser_arrives_over_another_technique(
    browser: Browser, bob: Person, web: Foreign, servers: dict[str, Address]
) -> None:
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
    await page.type("from a browser")
    await page.press("Enter")
    assert (await bob.hears("hello\nfrom a browser")).technique == "tcp"
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
    await other.open(f"http://{servers['rest']}/rooms")
    address = url.replace("http", "ws") + "ws"
    assert (
        await other.value(
            f"new Promise((said) => {{ const socket = new WebSocket('{address}');"
            " socket.onopen = () => said('open'); socket.onerror = () => said('refused'); })"
        )
        == "refused"
    )
    assert f"a page of http://{servers['rest']} in somebody's browser" in await web.complaint()

    # The tab is closed: the seat is free again.
    await page.close()
    await bob.sees("left", "ann")


FILES = (
    "RobotoMono-VariableFont_wght.ttf",
    "enter.js",
    "terminal.css",
    "terminal.js",
    "textual.js",
    "xterm.css",
)
