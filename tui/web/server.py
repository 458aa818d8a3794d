"""The web server of `chat web`: a page with a terminal, and one process of `chat` behind each tab.

The page is ours; the terminal in it (xterm.js) and the messages over its WebSocket are textual-serve's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from chat.domain.errors import AccessDenied, ChatError
from chat.domain.validation import printable
from chat.interfaces.address import Address
from chat.interfaces.tls import Identity
from chat.language import N_
from chat.language.pages import page_in
from chat.language.translation import COMPLETE, LANGUAGES, in_use, into
from chat.transport.listener import listen
from tui.web.guard import Guard, Refusal
from tui.web.process import ScreenProcess, Size

PAGES = Path(__file__).with_name("pages")
MESSAGE = 256 * 1024
"""Bytes of the longest message of a page: a paste."""
HEARTBEAT = 15.0
"""Seconds after which a page is asked whether it is still there; half of that is the time to answer."""
SHUTDOWN = 5.0
"""Seconds for which the server waits for its sessions when it ends."""
KEEP_ALIVE = 75.0
"""Seconds that a connection may rest between two requests."""
TOLD = 20
"""Origins of refused pages that are named to the operator."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self' {socket}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Nothing comes from another server, and no script is in a page itself (Content Security Policy, level 3).
xterm.js makes style sheets, so those may be inside. `connect-src 'self'` alone is no WebSocket for every
browser."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class WebOptions:
    """What the operator has chosen."""

    command: Sequence[str]
    """The program of each tab, and its arguments."""
    address: Address
    access: str = ""
    """The access token that a visitor must show; "": none."""
    identity: Identity | None = None
    """With a certificate the pages are served with TLS."""
    sessions: int = 16
    """Tabs at the same time."""
    language: str = ""
    """Of all pages and screens; "": each visitor has the one that the browser prefers."""


class WebScreens:
    """Serves the pages, and ends the processes behind them.

    Args:
        options: what the operator has chosen.
        tell: called with a line for the operator.
    """

    def __init__(self, options: WebOptions, tell: Callable[[str], None]) -> None:
        self._options = options
        self._tell = tell
        self._told: set[str] = set()
        self._files: dict[str, tuple[str, bytes]] = {}
        self._live: dict[web.WebSocketResponse, ScreenProcess] = {}

    @property
    def processes(self) -> list[ScreenProcess]:
        """What runs behind the open tabs."""
        return list(self._live.values())

    async def start(self) -> Address:
        """Begin to listen, and return where.

        Raises:
            ChatError: the address can't be used.
        """
        options = self._options
        self._files = await asyncio.to_thread(_read_files)
        app = web.Application(middlewares=[self._guarded], client_max_size=4096)
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/ws", self._screen),
                web.post("/enter", self._enter),
                web.get("/static/{name}", self._file),
            ]
        )
        app.on_shutdown.append(self._close_all)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=SHUTDOWN, keepalive_timeout=KEEP_ALIVE
        )
        await self._runner.setup()
        context = options.identity.context if options.identity else None
        assert self._runner.server is not None
        try:
            self._listener = await listen(self._runner.server, options.address, ssl=context)
        except OSError as error:
            await self._runner.cleanup()
            raise ChatError(
                f"cannot listen on {options.address}: {error.strerror or error}; "
                "choose another place with --host and --port (0: any free one)"
            ) from None
        own = self._listener.address
        scheme = "https" if context else "http"
        loop = asyncio.get_running_loop()
        self._guard = Guard(options.address.host, f"{scheme}://{own}", options.access, loop.time)
        self._cookie = f"chat-web-{own.port}"  # cookies do not know ports: two servers must not share one
        return own

    async def stop(self) -> None:
        """End every session, and stop listening."""
        self._listener.close()
        await self._runner.cleanup()
        await self._listener.wait_closed()

    async def _close_all(self, _: web.Application) -> None:
        text = N_("The server has ended.")
        ends = [
            _end(socket, WSCloseCode.GOING_AWAY, into(process.language, text))
            for socket, process in self._live.items()
        ]
        await asyncio.gather(*ends)

    # --- every request -------------------------------------------------------------------------

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        title = N_("chat does not answer this")
        acts = request.path == "/ws" or request.method not in ("GET", "HEAD")
        try:
            if refused := await self._guard.check(scope(request), acts=acts):
                self._tell_once(request, refused)
                response: web.StreamResponse = message(title, refused, self._language(request))
            else:
                response = await handler(request)
        except web.HTTPException as error:
            refused = Refusal(error.status, f"There is no {request.path} here.")
            response = message(title, refused, self._language(request))
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            socket = f"{'wss' if request.secure else 'ws'}://{request.host}"
            response.headers["Content-Security-Policy"] = POLICY.format(socket=socket)
        return response

    def _tell_once(self, request: web.Request, refused: Refusal) -> None:
        origin = printable(request.headers.get("Origin", "")[:200])
        if refused.status == 403 and origin and origin not in self._told and len(self._told) < TOLD:
            self._told.add(origin)
            self._tell(N_(f"a page of {origin} in somebody's browser wanted to use this server: refused"))

    def _language(self, request: web.Request) -> str:
        """Return the operator's choice, else the browser's, else the language of this process."""
        accepted = request.headers.get("Accept-Language", "")
        return self._options.language or preferred_language(accepted) or in_use()

    def _may_come_in(self, request: web.Request) -> bool:
        return self._guard.knows(request.cookies.get(self._cookie, ""))

    # --- the pages -----------------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.Response:
        if not self._may_come_in(request):
            return self._html("enter.html", request, 403)
        if self._is_full:
            title = N_("All places are taken")
            return message(title, Refusal(503, self._full), self._language(request))
        return self._html("terminal.html", request)

    def _html(self, name: str, request: web.Request, status: int = 200) -> web.Response:
        kind, body = self._files[name]
        text = page_in(self._language(request), body.decode())
        return web.Response(status=status, text=text, content_type=kind)

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._files or name.endswith(".html"):
            raise web.HTTPNotFound
        kind, body = self._files[name]
        return web.Response(body=body, content_type=kind)

    async def _enter(self, request: web.Request) -> web.Response:
        """Take the access token, and give the browser a cookie for it."""
        try:
            token = (await request.json())["token"]
            visitor = self._guard.enter(str(token), request.remote or "")
        except (ValueError, KeyError, TypeError, RecursionError):
            return web.Response(status=400, text="This is not how the page shows its token.")
        except AccessDenied as denied:
            return web.Response(status=403, text=into(self._language(request), str(denied)))
        response = web.Response(status=204)
        response.set_cookie(
            self._cookie, visitor, httponly=True, samesite="Strict", secure=request.secure, path="/"
        )
        return response

    # --- the screens ---------------------------------------------------------------------------

    @property
    def _is_full(self) -> bool:
        return len(self._live) >= self._options.sessions

    @property
    def _full(self) -> str:
        return N_(
            f"Of this chat {self._options.sessions} pages may be open at a time, and so many are: "
            "wait until somebody leaves, then try again."
        )

    async def _screen(self, request: web.Request) -> web.StreamResponse:
        if not self._may_come_in(request):
            refused = Refusal(403, "Open the page itself: it asks for it.")
            return message(N_("The access token is missing"), refused, self._language(request))
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MESSAGE, compress=False)
        await socket.prepare(request)
        language = self._language(request)
        if self._is_full:
            await _end(socket, WSCloseCode.TRY_AGAIN_LATER, into(language, self._full))
            return socket
        size = Size.of(request.query.get("width"), request.query.get("height"))
        process = self._live[socket] = ScreenProcess(self._options.command, size, language)
        try:
            await process.start()
            await _connect(socket, process)
        except OSError as error:
            text = into(language, f"The chat can't be started: {error.strerror}.")
            await _end(socket, WSCloseCode.INTERNAL_ERROR, text)
        finally:
            await process.end()
            del self._live[socket]
        await _end(socket, WSCloseCode.OK, process.last_words)
        return socket


def scope(request: web.Request) -> dict[str, Any]:
    """Return of a request what ASGI calls its scope, for the rules that all our web servers share."""
    return {
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "scheme": "https" if request.secure else "http",
        "client": (request.remote, 0) if request.remote else None,
    }


def preferred_language(accept: str) -> str:
    """Return which of our languages a browser prefers (RFC 9110, 12.5.4); "" if none."""
    wanted: list[tuple[float, int, str]] = []
    for part in accept.lower().split(","):
        tag, _, quality = part.partition(";q=")
        with suppress(ValueError):
            wanted.append((-float(quality or 1), len(wanted), tag.strip().partition("-")[0]))
    return next((tag for weight, _, tag in sorted(wanted) if weight and tag in LANGUAGES), "")


def message(title: str, refusal: Refusal, language: str) -> web.Response:
    """Return a readable page about what does not work, in the reader's language."""
    title, text, again = (into(language, one) for one in (title, refusal.text, N_("Try again")))
    lang = language if language in COMPLETE else "en"
    page = (
        f'<!doctype html>\n<html lang="{lang}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f'<title>chat: {escape(title)}</title>\n<link rel="icon" href="data:,">\n'
        '<link rel="stylesheet" href="/static/terminal.css">\n'
        f'<main class="dialog">\n<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>\n'
        f'<p><a href="/">{escape(again)}</a></p>\n</main>\n</html>\n'
    )
    return web.Response(status=refusal.status, text=page, content_type="text/html")


async def _connect(socket: web.WebSocketResponse, process: ScreenProcess) -> None:
    """Carry what is typed to the process, and what it draws to the page, until one of them ends."""
    ways = [asyncio.ensure_future(_read(socket, process)), asyncio.ensure_future(_draw(socket, process))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _draw(socket: web.WebSocketResponse, process: ScreenProcess) -> None:
    with suppress(ConnectionError):  # the page has gone
        async for data in process.output():
            await socket.send_bytes(data)


async def _read(socket: web.WebSocketResponse, process: ScreenProcess) -> None:
    async for received in socket:
        if received.type is not WSMsgType.TEXT:
            continue
        try:
            kind, *rest = json.loads(received.data)
            if kind == "stdin":
                await process.type(rest[0])
            elif kind == "resize":
                await process.resize(Size.of(rest[0]["width"], rest[0]["height"]))
            elif kind in ("focus", "blur"):
                await process.focus(kind == "focus")
            elif kind == "ping":
                await socket.send_json(["pong", rest[0]])
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            await _end(socket, WSCloseCode.INVALID_TEXT, "The page has sent what is no message.")
            return
        except ConnectionError:
            return


async def _end(socket: web.WebSocketResponse, code: int, text: str) -> None:
    """Close a page's connection; the page shows the text."""
    with suppress(ConnectionError, RuntimeError):
        if not socket.closed and text:
            await socket.send_json(["ended", text])
    await socket.close(code=code)


def _read_files() -> dict[str, tuple[str, bytes]]:
    """Return each file by its name: its type and content. Blocks. Nothing else can be asked for."""
    import textual_serve

    theirs = Path(textual_serve.__file__).with_name("static")
    files = {
        PAGES / "terminal.html": "text/html",
        PAGES / "enter.html": "text/html",
        PAGES / "terminal.css": "text/css",
        PAGES / "terminal.js": "text/javascript",
        PAGES / "enter.js": "text/javascript",
        theirs / "js" / "textual.js": "text/javascript",
        theirs / "css" / "xterm.css": "text/css",
        theirs / "fonts" / "RobotoMono-VariableFont_wght.ttf": "font/ttf",
    }
    for language in LANGUAGES:
        into(language, "")  # its catalogue is read now, and not while a page waits
    return {path.name: (kind, path.read_bytes()) for path, kind in files.items()}
