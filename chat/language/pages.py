"""The texts of a web page: found in its HTML, for the catalogues, and translated for the one who reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape

from chat.language.translation import COMPLETE, into

_TEXT = re.compile(r"(?:(?<=>)|(?<= data-lost=\"))(\s*)([^<>\"\s][^<>\"]*?)(\s*)(?=[<\"])")
"""What stands between two tags, and what a script of ours reads from the page."""


def page_texts(html: str) -> Iterator[str]:
    """Yield the texts of a page, each on one line."""
    yield from map(_text, _TEXT.finditer(html))


def page_in(language: str, html: str) -> str:
    """Return a page, which is in English, in another language."""
    if language not in COMPLETE:  # it would be English in parts, and say that it is not
        return html
    html = _TEXT.sub(lambda found: f"{found[1]}{escape(into(language, _text(found)))}{found[3]}", html)
    return html.replace('<html lang="en">', f'<html lang="{language}">')


def _text(found: re.Match[str]) -> str:
    return " ".join(unescape(found[2]).split())
