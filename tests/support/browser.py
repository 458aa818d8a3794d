"""Chromium without a window, driven over the DevTools protocol: real pages, a real keyboard, a small screen.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--remote-debugging-port=0",
)
KEYS = {"Enter": "\r", "Tab": "\t", "Backspace": "", "Escape": ""}
CODES = {"Backspace": 8, "Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "F2": 113}
"""Codes of keys that are not their character's; that of ! would be Page Up."""
ALT, CTRL, SHIFT = 1, 2, 8
"""Bits of the modifiers of a key."""
SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-Z\\-_]|\][^\x07]*\x07)")


def program() -> str:
    """Return Chromium's path; skip the test where there is none, and fail it in CI."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    if os.environ.get("CI") == "true":
        pytest.fail("Chromium is missing: apt install chromium", pytrace=False)
    pytest.skip("Chromium is missing: apt install chromium")


class Navigated(Exception):
    """Another page came while an expression of the last one was awaited."""


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.drawn = ""
        """What came over WebSockets, without escape sequences: the terminal is a canvas without text."""
        self.requests: list[str] = []
        """The addresses that the page has asked for."""
        self.problems: list[str] = []
        """What the browser complains about: policies that were broken, scripts that failed."""

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol on this tab, and return its result."""
        return await self._browser.call(method, self._session, **parameters)

    def happened(self, method: str, event: Any) -> None:
        """Take note of an event."""
        if method == "Network.webSocketFrameReceived":
            frame = event["response"]
            data = frame["payloadData"]
            text = base64.b64decode(data).decode(errors="replace") if frame["opcode"] == 2 else data
            self.drawn += SEQUENCE.sub("", text)
        elif method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.problems.append(event["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(event["exceptionDetails"]["exception"].get("description", "?"))

    async def open(self, url: str) -> None:
        """Go to an address, and wait until its page is loaded."""
        loaded = self._browser.next(self._session, "Page.loadEventFired")
        await self.call("Page.navigate", url=url)
        await loaded

    async def reload(self) -> None:
        """Load the page anew, as F5 does."""
        loaded = self._browser.next(self._session, "Page.loadEventFired")
        await self.call("Page.reload")
        await loaded

    async def lose_answer(self, pattern: str, ask: Awaitable[None]) -> None:
        """Let a request arrive, and lose its answer: the page sees a broken connection.

        Args:
            pattern: of the address, with * for anything.
            ask: lets the page make the request.
        """
        await self.call("Fetch.enable", patterns=[{"urlPattern": pattern, "requestStage": "Response"}])
        paused = self._browser.next(self._session, "Fetch.requestPaused")
        await ask
        number = (await paused)["requestId"]
        await self.call("Fetch.failRequest", requestId=number, errorReason="ConnectionReset")
        await self.call("Fetch.disable")

    async def value(self, expression: str) -> Any:
        """Return what JavaScript makes of an expression; a promise is awaited."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true: it is looked at whenever the page changes, or another comes."""
        looked = (
            "new Promise((found) => { const look = () => { if (!(EXPRESSION)) return;"
            " watch.disconnect(); found(true); }; const watch = new MutationObserver(look);"
            " watch.observe(document, {subtree: true, childList: true, attributes: true,"
            " characterData: true}); look(); })"
        )
        while True:
            with suppress(Navigated):
                assert await self.value(looked.replace("EXPRESSION", expression))
                return

    async def shows(self, text: str) -> None:
        """Wait until a terminal has drawn a text."""
        await self.seen(lambda: text in self.drawn)

    async def seen(self, true: Callable[[], bool]) -> None:
        """Wait until something is true of what the browser has told of this page."""
        await self._browser.until(true)

    async def type(self, text: str) -> None:
        """Type on the keyboard."""
        for character in text:
            await self.press(character, text=character)

    async def press(self, key: str, *, modifiers: int = 0, text: str | None = None) -> None:
        """Press and release a key."""
        text = KEYS.get(key, key if len(key) == 1 else "") if text is None else text
        code = CODES.get(key, ord(key.upper()) if len(key) == 1 and key.isalnum() else 0)
        same = {"key": key, "modifiers": modifiers, "windowsVirtualKeyCode": code}
        kind = "keyDown" if text and not modifiers & (ALT | CTRL) else "rawKeyDown"
        await self.call(
            "Input.dispatchKeyEvent", type=kind, **same, **({"text": text} if kind == "keyDown" else {})
        )
        await self.call("Input.dispatchKeyEvent", type="keyUp", **same)

    async def picture(self, file: Path) -> None:
        """Write what can be seen into a file (PNG)."""
        data = base64.b64decode((await self.call("Page.captureScreenshot"))["data"])
        await asyncio.to_thread(file.write_bytes, data)

    async def close(self) -> None:
        """Close the tab."""
        await self.call("Page.close")


class Browser:
    """A running Chromium."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._waits: dict[tuple[str, str], list[asyncio.Future[Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._changed = asyncio.Event()
        self._number = 0

    async def read(self) -> None:
        """Take what the browser says, until it ends."""
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                self._calls.pop(told["id"]).set_result(told)
                continue
            session = told.get("sessionId", "")
            if session in self._pages:
                self._pages[session].happened(told["method"], told["params"])
                self._changed.set()
            for waiting in self._waits.pop((session, told["method"]), []):
                waiting.set_result(told["params"])

    async def call(self, method: str, session: str = "", **parameters: Any) -> Any:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        answer = self._calls[self._number] = asyncio.get_running_loop().create_future()
        call: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        await self._socket.send_json({**call, "sessionId": session} if session else call)
        told = await answer
        if "navigated" in told.get("error", {}).get("message", ""):
            raise Navigated
        assert "error" not in told, f"{method}: {told['error']}"
        return told["result"]

    def next(self, session: str, method: str) -> asyncio.Future[Any]:
        """Return the next event of a kind."""
        event: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waits.setdefault((session, method), []).append(event)
        return event

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true; it is asked at each event."""
        while not true():
            self._changed.clear()
            await self._changed.wait()

    async def page(self, *, width: int = 1000, height: int = 700, phone: bool = False) -> Page:
        """Open a tab, as large as that in pixels; as a phone it has a screen to touch."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Network", "Log"):
            await page.call(f"{domain}.enable")
        await page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        if phone:
            await page.call("Emulation.setTouchEmulationEnabled", enabled=True)
        return page


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Browser]:
    """Run Chromium with an empty profile in a folder; skip the test where there is none."""
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # root can have none
    process = await asyncio.create_subprocess_exec(
        program(),
        *FLAGS,
        *sandbox,
        f"--user-data-dir={folder}",
        "about:blank",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    said = b""
    while not (found := re.search(rb"DevTools listening on (ws://\S+)", said)):
        line = await process.stderr.readline()
        assert line, f"Chromium has ended: {said.decode(errors='replace')}"
        said += line
    rest = asyncio.ensure_future(process.stderr.read())
    try:
        async with (
            ClientSession() as client,
            client.ws_connect(found[1].decode(), max_msg_size=0) as socket,
        ):
            browser = Browser(socket)
            reading = asyncio.ensure_future(browser.read())
            yield browser
            with suppress(ConnectionError, AssertionError):
                await browser.call("Browser.close")
            await reading
    finally:
        if process.returncode is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 5)
        if process.returncode is None:
            process.kill()
        await rest
        await process.wait()
