"""The pages of `chat web`: who may use them, and what becomes of the processes behind them."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from html import unescape
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, CookieJar, WSMsgType, WSServerHandshakeError
from aiohttp.client import _WSRequestContextManager

import backends
from chat.client.connect import Place, open_session
from chat.interfaces.address import Address
from chat.language.pages import page_texts
from tests.support.french import english
from tests.support.ports import own_port
from tui.web.server import PAGES, WebOptions, WebScreens

TOKEN = "four common words here"
EVIL = "https://evil.example"
CHAT = (sys.executable, "-m", "chat", "--guest", "--no-spawn")


class Site:
    """A running server, a browser's way to it, and what its operator was told."""

    def __init__(self, screens: WebScreens, address: Address, client: ClientSession, told: list[str]) -> None:
        self.screens = screens
        self.client = client
        self.told = told
        self.url = f"http://{address}"

    async def get(self, path: str = "/", **headers: str) -> tuple[int, str]:
        async with self.client.get(self.url + path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def enter(self, token: str) -> int:
        return (await self.shown(token))[0]

    async def shown(self, token: str, **headers: str) -> tuple[int, str]:
        """Show the access token; return the status, and what the page says then."""
        headers = {"Origin": self.url, **headers}
        async with self.client.post(f"{self.url}/enter", json={"token": token}, headers=headers) as answer:
            return answer.status, await answer.text()

    def screen(self, origin: str | None = None, **more: str) -> _WSRequestContextManager:
        headers = {} if origin == "" else {"Origin": self.url if origin is None else origin}
        return self.client.ws_connect(f"{self.url}/ws?width=80&height=24", headers={**headers, **more})


Socket = ClientWebSocketResponse[bool]
Serve = Callable[..., Awaitable[Site]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts the web server of `chat web`."""
    sites: list[Site] = []

    async def serve(access: str = "", sessions: int = 2, language: str = "") -> Site:
        told: list[str] = []
        options = WebOptions(CHAT, Address("127.0.0.1", own_port()), access, None, sessions, language)
        screens = WebScreens(options, told.append)
        client = ClientSession(cookie_jar=CookieJar(unsafe=True))  # unsafe: it takes cookies of addresses
        sites.append(Site(screens, await screens.start(), client, told))
        return sites[-1]

    yield serve
    for site in sites:
        await site.client.close()
        await site.screens.stop()


async def drawn(socket: Socket, text: str) -> None:
    """Wait until a screen shows a text."""
    seen = b""
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            seen += message.data
        if text.encode() in seen:
            return
    raise AssertionError(f"{text!r} never came: {seen!r}")


async def ended(socket: Socket) -> str:
    """Wait until the server closes a page's connection; return what the page shows then."""
    why = ""
    async for message in socket:
        if message.type is WSMsgType.TEXT and json.loads(message.data)[0] == "ended":
            why = json.loads(message.data)[1]
    return why


# --- who may use them --------------------------------------------------------------------------


async def test_a_public_name_that_is_not_ours_is_refused(serve: Serve) -> None:
    site = await serve()
    status, text = await site.get(Host="rebound.example")
    assert status == 421
    assert "This server is not rebound.example" in text


@pytest.mark.parametrize("origin", [EVIL, "null", "", "http://127.0.0.1:1"])
async def test_a_page_of_another_origin_opens_no_screen(serve: Serve, origin: str) -> None:
    site = await serve()
    with pytest.raises(WSServerHandshakeError) as refused:
        await site.screen(origin)
    assert refused.value.status == 403
    assert not site.screens.processes


async def test_the_operator_is_told_once_of_a_page_that_was_refused(serve: Serve) -> None:
    site = await serve()
    for _ in range(2):
        assert (await site.get("/", Origin=EVIL))[0] == 403
    assert site.told == [f"a page of {EVIL} in somebody's browser wanted to use this server: refused"]


async def test_a_refused_origin_is_written_as_text(serve: Serve) -> None:
    site = await serve()
    _, text = await site.get("/", Origin="https://<script>.example")
    assert "https://&lt;script&gt;.example" in text


# --- what the pages are ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/static", "/static/", "/static/terminal.html", "/static/..%2Fserver.py", "/download/x"]
)
async def test_nothing_is_listed_and_nothing_else_is_served(serve: Serve, path: str) -> None:
    site = await serve()
    status, text = await site.get(path)
    assert status == 404
    assert "textual.js" not in text


@pytest.mark.parametrize("path", ["/", "/nothing", "/static/terminal.css"])
async def test_every_answer_has_the_policy(serve: Serve, path: str) -> None:
    site = await serve()
    async with site.client.get(site.url + path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_no_page_names_another_server() -> None:
    for file in PAGES.iterdir():
        found = re.findall(r"(?:src|href)=\"([^\"]*)|url\(\"?([^\")]*)", file.read_text())
        assert all("".join(one).startswith(("/static/", "data:", "/")) for one in found), file
        assert "//" not in "".join("".join(one) for one in found)


# --- the access token --------------------------------------------------------------------------


async def test_without_the_token_there_is_no_screen(serve: Serve) -> None:
    site = await serve(TOKEN)
    status, text = await site.get(f"/?token={TOKEN.replace(' ', '%20')}")
    assert status == 403
    assert "asks for an access token" in text
    with pytest.raises(WSServerHandshakeError) as refused:
        await site.screen()
    assert refused.value.status == 403


async def test_the_token_is_exchanged_for_a_cookie_that_no_script_and_no_other_page_gets(
    serve: Serve,
) -> None:
    site = await serve(TOKEN)
    async with site.client.post(
        f"{site.url}/enter", json={"token": TOKEN}, headers={"Origin": site.url}
    ) as answer:
        (cookie,) = answer.headers.getall("Set-Cookie")
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert (await site.get())[0] == 200


async def test_a_page_of_another_origin_may_not_show_a_token(serve: Serve) -> None:
    site = await serve(TOKEN)
    async with site.client.post(
        f"{site.url}/enter", json={"token": TOKEN}, headers={"Origin": EVIL}
    ) as answer:
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers


async def test_who_guesses_the_token_must_wait(serve: Serve) -> None:
    site = await serve(TOKEN)
    for _ in range(11):
        assert await site.enter("wrong") == 403
    assert await site.enter(TOKEN) == 403
    assert (await site.get())[0] == 403


# --- the processes -----------------------------------------------------------------------------


async def test_a_tab_that_is_closed_ends_its_process(serve: Serve) -> None:
    site = await serve()
    async with site.screen() as socket:
        await drawn(socket, "write your name")
        (process,) = site.screens.processes
        watched = psutil.Process(process.pid)
    await process.ended.wait()
    assert not watched.is_running()
    assert not site.screens.processes


async def test_the_end_of_the_program_is_said(serve: Serve) -> None:
    site = await serve()
    async with site.screen() as socket:
        await drawn(socket, "write your name")
        await socket.send_json(["stdin", "\x11"])
        await ended(socket)
        assert socket.close_code == 1000


async def test_the_end_of_the_server_is_said_and_leaves_no_process(serve: Serve) -> None:
    site = await serve()
    async with site.screen() as socket:
        await drawn(socket, "write your name")
        (process,) = site.screens.processes
        stopping = asyncio.ensure_future(site.screens.stop())
        assert await ended(socket) == "The server has ended."
        await stopping
        assert process.ended.is_set()


async def test_one_too_many_is_told_so_on_the_page_and_in_a_tab(serve: Serve) -> None:
    site = await serve(sessions=1)
    async with site.screen() as first:
        await drawn(first, "write your name")
        status, text = await site.get()
        assert status == 503
        assert "wait until somebody leaves" in text
        async with site.screen() as second:
            assert "wait until somebody leaves" in await ended(second)
            assert second.close_code == 1013


@pytest.mark.parametrize("body", ["", "[]", "{", '{"token"}', "[" * 4000, "[" * 5000])
async def test_what_shows_no_token_is_refused(serve: Serve, body: str) -> None:
    site = await serve(access=TOKEN)
    async with site.client.post(f"{site.url}/enter", data=body, headers={"Origin": site.url}) as answer:
        assert answer.status == (413 if len(body) > 4096 else 400)


@pytest.mark.parametrize("words", ["hello", '["stdin", 7]', '["resize", {"width": 1}]', "[" * 100_000])
async def test_what_is_no_message_ends_the_screen(serve: Serve, words: str) -> None:
    site = await serve()
    async with site.screen() as socket:
        await socket.send_str(words)
        assert await ended(socket) == "The page has sent what is no message."


async def test_a_page_may_say_any_size(serve: Serve) -> None:
    site = await serve()
    async with site.screen() as socket:
        await drawn(socket, "write your name")
        for size in (
            {"width": 10**9, "height": -5},
            {"width": "x", "height": None},
            {"width": 80, "height": 24},
        ):
            await socket.send_json(["resize", size])
        await socket.send_json(["stdin", "somebody"])
        await drawn(socket, "somebody")


# --- whose name --------------------------------------------------------------------------------


async def test_a_visitor_is_asked_for_a_name_whatever_the_operators_settings_are(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    monkeypatch.setenv("CHAT_NICK", "boss")
    monkeypatch.setenv("CHAT_BACKEND", "rest")
    site = await serve()
    async with site.screen() as socket:
        await drawn(socket, "write your name")
        await socket.send_json(["stdin", "\r"])
        await drawn(socket, "a nick needs at least one character")


async def test_a_visitor_reads_their_own_language(serve: Serve) -> None:
    site = await serve()
    site.client.headers["Accept-Language"] = "fr-FR, en;q=0.5"
    async with site.screen() as socket:
        await drawn(socket, "écrivez votre nom ici")


def test_the_seat_key_of_a_visitor_is_not_kept_for_the_next_one(state_dir: Path) -> None:
    technique = backends.technique("tcp")
    place = Place("127.0.0.1:1", state_dir)
    assert open_session(place, technique, "lab", "ann")._keys is not None
    assert open_session(place, technique, "lab", "ann", keep_seat=False)._keys is None


# --- the language ------------------------------------------------------------------------------

FRENCH = {"Accept-Language": "fr-CH, fr;q=0.9, en;q=0.8"}


def prose(html: str) -> str:
    """Return the texts of a page, without its tags."""
    return "\n".join([*page_texts(html), *re.findall(r'data-lost="([^"]*)"', unescape(html))])


async def test_the_pages_have_the_language_of_the_browser(serve: Serve) -> None:
    site = await serve(TOKEN)
    for headers, language, text in (
        (FRENCH, "fr", "Ce chat demande un jeton d'accès"),
        ({"Accept-Language": "de"}, "en", "This chat asks for an access token"),
        ({}, "en", "This chat asks for an access token"),
    ):
        status, page = await site.get(**headers)
        assert (status, f'<html lang="{language}">' in page, text in prose(page)) == (403, True, True)
        assert bool(english(prose(page))) == (language == "en")
    status, said = await site.shown("wrong", **FRENCH)
    assert (status, english(said)) == (403, [])
    assert await site.enter(TOKEN) == 204
    _, page = await site.get(**FRENCH)
    assert "Le chat s'est terminé" in prose(page)
    assert not english(prose(page))


async def test_what_a_page_is_refused_for_is_said_in_its_language(serve: Serve) -> None:
    site = await serve(sessions=0)
    for path, headers in (("/", {}), ("/nothing", {}), ("/", {"Host": "rebound.example"})):
        status, page = await site.get(path, **FRENCH, **headers)
        assert status >= 400
        assert not english(prose(page).replace(path, "")), page


async def test_the_language_that_the_operator_names_is_that_of_every_page_and_screen(serve: Serve) -> None:
    site = await serve(sessions=1, language="fr")
    assert '<html lang="fr">' in (await site.get(**{"Accept-Language": "en"}))[1]
    async with site.screen(**{"Accept-Language": "en"}) as first, site.screen() as second:
        assert not english(await ended(second))
        await drawn(first, "écrivez votre nom ici")
        (process,) = site.screens.processes
        assert process.language == "fr"
