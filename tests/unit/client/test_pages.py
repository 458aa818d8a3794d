"""Pages of a room's history: whatever people wrote stays text."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import html as lxml_html
from markdown_it import MarkdownIt

from chat.client.pages import Page, markdown, web
from chat.client.transcript import Line
from chat.domain.model import Event, Kind

AT = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC
words = st.text(st.sampled_from("ab1 .)(\n\\`*_{}[]<>#+-!|~&;:/@w=^$\"'"), min_size=1, max_size=40).filter(
    str.strip
)


def line(text: str = "", kind: Kind = "sent", author: str = "ann", at: int = AT, **state: bool) -> Line:
    return Line(Event(kind, 7, 6, at, author, "s1", "tcp", 1, 7, text), text, **state)


def shown(page: str) -> str:
    """Return the text that a reader sees, without what Markdown can't tell: blanks where a line ends."""
    html = MarkdownIt("gfm-like").render(page)
    return "".join(lxml_html.fromstring(f"<div>{html}</div>").itertext()).replace("\u00a0", " ")


def bare(text: str) -> str:
    return "\n".join(part.strip() for part in text.split("\n"))


@given(words)
@example("# heading")
@example("1. a\n2) b\n- c\n+ d\n= e\n===\n---\n> f\n| g | h |\n|---|---|")
@example("[a](http://x.org) ![b](c) <http://x.org> http://x.org www.x.org me@x.org")
@example("&amp; &#42; \\* `code` ``` ~~~ **bold** __x__ ~~y~~ <b>z</b> <!-- c -->")
@example("    four blanks\n\tand lines")
def test_markdown_shows_every_text_as_it_was_written(text: str) -> None:
    page = "\n".join(markdown("lab", [line(text)], UTC))
    body = MarkdownIt("gfm-like").render(page)
    assert bare(shown(page)).split("(tcp):", 1)[1].strip() == bare(text).strip()
    tags = {element.tag for element in lxml_html.fromstring(f"<div>{body}</div>").iter()}
    assert tags <= {"div", "h1", "h2", "p", "strong", "br"}


@given(words)
@example("<script>alert(1)</script>")
@example('"><img src=http://x.org/a.png>')
def test_html_shows_every_text_as_it_was_written(text: str) -> None:
    page = lxml_html.document_fromstring("\n".join(web("lab", [line(text, author=text)], UTC)))
    (said,) = page.find_class("text")
    assert said.text == text
    assert len(said) == 0
    (who,) = page.iter("bdi")
    assert who.text == text


def test_html_needs_nothing_from_outside_and_runs_nothing() -> None:
    page = lxml_html.document_fromstring(
        "\n".join(web("lab", [line("http://x.org"), line(kind="joined"), line(deleted=True)], UTC))
    )
    assert not list(page.iter("script", "link", "img", "iframe", "object", "a", "form"))
    assert not page.xpath("//@src | //@href | //@onload | //@onclick")
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "url(" not in page.xpath("string(//style)")
    assert "@import" not in page.xpath("string(//style)")


@pytest.mark.parametrize("page", [markdown, web], ids=["md", "html"])
def test_what_would_move_a_terminal_or_turn_a_line_round_is_shown_as_an_escape(page: object) -> None:
    assert callable(page)
    text = "\n".join(page("lab", [line("a\x1b[31m\u202eb\ud800", author="x\x07")], UTC))
    assert text.encode()  # no lone surrogate
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_a_page_in_markdown() -> None:
    zone = timezone(timedelta(hours=1))
    lines = [
        line(kind="joined"),
        line("hello\n  there", edited=True),
        line(deleted=True),
        line(kind="left", at=AT + 3_600_000),
    ]
    assert "\n".join(markdown("lab-1", lines, zone)).split("\n") == [
        "# Room lab-1",
        "",
        "## 2023-11-14, UTC+01:00",
        "",
        "23:13 *ann joined (tcp)*",
        "",
        "23:13 **ann** (tcp): hello\\",
        "\u00a0\u00a0there *(edited)*",
        "",
        "23:13 **ann** (tcp): *message deleted*",
        "",
        "## 2023-11-15, UTC+01:00",
        "",
        "00:13 *ann left*",
    ]


def test_a_page_in_html_names_each_message_and_its_time() -> None:
    text = "\n".join(web("lab", [line("hi", edited=True)], UTC))
    assert (
        '<p id="m7"><time datetime="2023-11-14T22:13:20.000+00:00">22:13</time> <b><bdi>ann</bdi></b> '
        '<small>tcp</small> <span class="text" dir="auto">hi</span> <i>edited</i></p>'
    ) in text


@pytest.mark.parametrize("page", [markdown, web])
def test_what_the_teacher_did_is_a_sentence(page: Page) -> None:
    shown = "\n".join(page("lab", [line("/class freeze", author="teacher"), line("/classroom")], UTC))
    assert "teacher has frozen the room" in shown
    assert "/class freeze" not in shown
    assert "/classroom" in shown
