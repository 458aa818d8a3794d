"""A page of ours in another language: the same page, with other texts in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat.language.pages import page_in, page_texts
from chat.language.translation import COMPLETE
from tui.web.server import PAGES

HTML = (
    '<!doctype html>\n<html lang="en">\n<title>chat</title>'
    '\n<p id="why" data-lost="The server does not answer."></p>'
    "\n<p>The chat is\nbeing opened &hellip; <b>x</b></p>\n<script src='/x.js'></script>\n"
)


def test_the_texts_of_a_page_are_found_each_on_one_line() -> None:
    found = ["chat", "The server does not answer.", "The chat is being opened …", "x"]
    assert list(page_texts(HTML)) == found


def test_only_the_texts_change_and_what_is_not_ours_stays() -> None:
    french = page_in("fr", HTML)
    assert french == (
        '<!doctype html>\n<html lang="fr">\n<title>chat</title>'
        '\n<p id="why" data-lost="Le serveur ne répond pas."></p>'
        "\n<p>Le chat s&#x27;ouvre … <b>x</b></p>\n<script src='/x.js'></script>\n"
    )


@pytest.mark.parametrize("language", ["en", "es", "ja"])
def test_a_language_that_is_not_complete_changes_nothing(language: str) -> None:
    assert page_in(language, HTML) == HTML


@pytest.mark.parametrize("language", COMPLETE)
@pytest.mark.parametrize("page", sorted(PAGES.glob("*.html")), ids=lambda page: page.name)
def test_every_text_of_a_page_is_translated_and_no_tag_is(page: Path, language: str) -> None:
    english = page.read_text(encoding="utf-8")
    other = page_in(language, english)
    assert not set(page_texts(english)) & set(page_texts(other)) - {"chat"}
    tags = [re.findall(r'<\w+|\bid="\w+"|/static/\S+', text) for text in (english, other)]
    assert tags[0] == tags[1]
