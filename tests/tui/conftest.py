"""What the tests of the screens share: style sheets that are read once, and no waiting for the first ping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from textual.css.parse import parse
from textual.css.tokenize import tokenize_values

import chat.client.measure


@pytest.fixture(autouse=True)
def the_first_ping_is_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests begin when the status bar says how long a ping took, and none measures a connection."""
    monkeypatch.setattr(chat.client.measure, "FIRST_PING", 0.0)


@pytest.fixture(scope="session", autouse=True)
def style_sheets_are_read_once() -> Iterator[None]:
    """Keep what Textual has made of a text: each app would read the same style sheets anew.

    It is Textual's own to keep rules, as an app does while it runs: nothing ever changes one.
    """
    tokens: dict[tuple[Any, ...], Any] = {}
    rules: dict[tuple[Any, ...], list[Any]] = {}

    def tokenized(values: dict[str, str]) -> Any:
        key = tuple(values.items())
        if key not in tokens:
            tokens[key] = tokenize_values(values)
        return tokens[key]

    def parsed(scope: str, css: str, read_from: Any, *, variable_tokens: Any, **more: Any) -> list[Any]:
        key = (scope, css, read_from, id(variable_tokens), *more.items())  # `tokens` holds them
        if key not in rules:
            rules[key] = list(parse(scope, css, read_from, variable_tokens=variable_tokens, **more))
        return rules[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textual.css.stylesheet.tokenize_values", tokenized)
        patch.setattr("textual.css.stylesheet.parse", parsed)
        yield
