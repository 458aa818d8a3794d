"""A room's history as a page for people: Markdown, or HTML. Text from others stays text in both."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, tzinfo

from chat.client.class_lines import class_line
from chat.client.transcript import Line
from chat.domain.model import Event
from chat.domain.validation import printable
from chat.language.translation import COMPLETE, in_use, translate

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
p { margin: .3rem 0; overflow-wrap: anywhere; }
time, i, small { opacity: .75; }
.text { white-space: pre-wrap; }
"""
HEAD = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>"""
FOOT = "</body>\n</html>"

Page = Callable[[str, Iterable[Line], tzinfo | None], Iterator[str]]
"""Called with the room's name, what happened in order, and the zone of the times (None: the local one)."""

_PUNCTUATION = re.compile(r"[\\`*_{}\[\]<>#|~&$^@]")
_BEGINNING = re.compile(r"^( *)([-+=]|\d+(?=[.)]))", re.MULTILINE)
_LINK = re.compile(r"(?<=[A-Za-z]):(?=//)|(?<=[Ww]{3})\.")


def markdown(room: str, lines: Iterable[Line], zone: tzinfo | None = None) -> Iterator[str]:
    """Yield the lines of a page in Markdown (CommonMark 0.31, and GitHub's extensions)."""
    yield f"# {translate(f'Room {_plain(room)}')}"
    for day, at, line in _days(lines, zone):
        if day:
            yield f"\n## {day}"
        event = line.event
        if notice := _notice(event):
            yield f"\n{at:%H:%M} *{_plain(notice)}*"
            continue
        said = f"*{translate('message deleted')}*" if line.deleted else _plain(line.text)
        edited = f" *{translate('(edited)')}*" if line.edited else ""
        yield f"\n{at:%H:%M} **{_plain(event.author)}** ({_plain(event.technique)}): {said}{edited}"


def web(room: str, lines: Iterable[Line], zone: tzinfo | None = None) -> Iterator[str]:
    """Yield the lines of a page in HTML. It loads nothing, runs nothing, and its policy forbids both."""
    language = in_use() if in_use() in COMPLETE else "en"
    yield HEAD.format(language=language, title=translate(f"Room {_escaped(room)}"), style=STYLE)
    for day, at, line in _days(lines, zone):
        if day:
            yield f"<h2>{day}</h2>"
        event = line.event
        time = f'<time datetime="{at.isoformat(timespec="milliseconds")}">{at:%H:%M}</time>'
        if notice := _notice(event):
            yield f"<p>{time} <i>{_escaped(notice)}</i></p>"
            continue
        said = f"<i>{translate('message deleted')}</i>"
        if not line.deleted:
            said = f'<span class="text" dir="auto">{_escaped(line.text)}</span>'
        edited = f" <i>{translate('edited')}</i>" if line.edited else ""
        who = f"<b><bdi>{_escaped(event.author)}</bdi></b> <small>{_escaped(event.technique)}</small>"
        yield f'<p id="m{event.id}">{time} {who} {said}{edited}</p>'
    yield FOOT


PAGES: dict[str, Page] = {"md": markdown, "html": web}


def _days(lines: Iterable[Line], zone: tzinfo | None) -> Iterator[tuple[str, datetime, Line]]:
    """Yield each line with its time; with its day and the zone's offset too, where that is another one."""
    before = ""
    for line in lines:
        at = datetime.fromtimestamp(line.event.at / 1000, UTC).astimezone(zone)
        day = f"{at:%Y-%m-%d}, UTC{at.isoformat()[-6:]}"
        yield day if day != before else "", at, line
        before = day


def _notice(event: Event) -> str:
    """Return what has happened, as a sentence; "": something was said."""
    name, via = event.author, event.technique
    match event.kind:
        case "opened":
            return translate("the room was opened")
        case "joined":
            return translate(f"{name} joined ({via})")
        case "resumed":
            return translate(f"{name} moved to {via}")
        case "left":
            return translate(f"{name} left")
        case _:
            return translate(class_line(event))


def _escaped(text: str) -> str:
    return html.escape(printable(text))


def _plain(text: str) -> str:
    """Return a text for Markdown, in which nothing is markup: no link, no heading, no list, no mention."""
    text = _PUNCTUATION.sub(r"\\\g<0>", printable(text.rstrip()))
    text = _LINK.sub(r"\\\g<0>", text)
    text = _BEGINNING.sub(_literal, text)
    # A line that ends with a backslash breaks there; blanks at its beginning would get lost.
    return re.sub(r"\n( *)", lambda found: "\\\n" + "\u00a0" * len(found[1]), text)


def _literal(found: re.Match[str]) -> str:
    blanks, mark = found.groups()
    return f"{blanks}{mark}\\" if mark.isdigit() else f"{blanks}\\{mark}"
