"""The page of the REST server as it is served: for browsers only, small, and with nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import pytest

import backends
from backends.rest.pages import CHAT
from chat.domain.classroom import Classroom
from chat.domain.errors import ERRORS
from chat.domain.validation import nick_key
from chat.interfaces.address import Address
from chat.interfaces.server import ServerOptions
from chat.server.hub import Hub
from tests.support.http_peer import HttpPeer
from tests.support.ports import own_port

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FILES = ("/", "/page/page.css", "/page/page.js", "/page/client.js", "/page/french.js", "/page/lesson.js")


@pytest.fixture(scope="module")
def _loaded() -> None:
    backends.technique("rest").load_server()  # here and not on the loop: an import reads files


@pytest.fixture
async def peer(_loaded: None, hub: Hub) -> AsyncIterator[HttpPeer]:
    kind = backends.technique("rest").load_server()
    server = kind(hub, Address("127.0.0.1", own_port()), ServerOptions())
    async with await HttpPeer.open(await server.start()) as peer:
        yield peer
    await server.stop()


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html;q=0, */*"])
async def test_who_does_not_ask_for_html_gets_the_answer_of_a_resource_that_is_not_there(
    peer: HttpPeer, accept: str | None
) -> None:
    answer = await peer.ask("GET", "/", headers={} if accept is None else {"Accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("path", FILES)
async def test_the_page_has_a_policy_under_which_nothing_comes_from_elsewhere(
    peer: HttpPeer, path: str
) -> None:
    answer = await peer.ask("GET", path, headers={"Accept": BROWSER})
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';")
    assert "unsafe" not in policy


def test_the_page_is_small_and_names_no_other_server() -> None:
    files = [path.read_text(encoding="utf-8") for path in CHAT.iterdir()]
    assert sum(len(text.encode()) for text in files) <= 36_000
    for text in files:
        assert not re.findall(r"https?://", text)
        assert "innerHTML" not in text


class Texts(HTMLParser):
    """The texts between the tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_data(self, data: str) -> None:
        if re.search(r"[a-z]{2}", text := " ".join(data.split())):
            self.found.add(text)


def test_the_page_has_each_text_in_french_and_no_others() -> None:
    html, page, french = (
        (CHAT / name).read_text(encoding="utf-8") for name in ("index.html", "page.js", "french.js")
    )
    lesson = (CHAT / "lesson.js").read_text(encoding="utf-8")
    body = html.partition("</noscript>")[2]
    shown = Texts(body).found - {"chat", "chat wire -b rest"} | {
        "Message"
    }  # a name, a command, a placeholder
    shown |= set(re.findall(r'"([^"]* [^"]*)"', lesson.partition("};")[0]))
    for call in re.findall(r"\bt\((.*?)\)", page):
        shown.update(re.findall(r'"([^"]*\w[^"]*)"', call))
    shown = {text for text in shown if text != "resumed"} | {
        "joined",
        "left",
        "edited",
        "no answer",
        "given up",
    }
    frozen, muted = Classroom(frozen=True), Classroom(muted={nick_key("ann"): "ann"})
    shown |= {str(room.forbids("seat", "ann")) for room in (frozen, muted)}  # which have the code of others
    keys = {quoted or bare for quoted, bare in re.findall(r'^  (?:"([^"]+)"|(\w+)):', french, re.MULTILINE)}
    assert keys - set(ERRORS) == shown


def test_the_codes_that_the_page_knows_in_french_are_codes_of_errors() -> None:
    french = (CHAT / "french.js").read_text(encoding="utf-8")
    codes = set(re.findall(r"^  ([a-z]+_[a-z_]+):", french, re.MULTILINE))
    assert codes
    assert codes <= set(ERRORS)
