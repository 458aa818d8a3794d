"""``chat explain`` in another language: the same technique, port, picture and commands, on one screen."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import backends
from chat.language.translation import COMPLETE, use
from lab import chapter

COMMAND = re.compile(r"(?:nc|chat|curl|grpcurl|make|python3?|c[.= ]|threading|\{)\S*.*?(?= {3}|, then|$)")


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    yield
    use("en")


@pytest.mark.parametrize("language", COMPLETE)
@pytest.mark.parametrize("name", backends.KNOWN)
def test_it_shows_the_same_on_one_screen(name: str, language: str) -> None:
    label = backends.technique(name)
    english = chapter.explain(label)
    use(language)
    other = chapter.explain(label)
    assert other != english
    assert other.startswith(f"{name} :")
    assert str(label.port) in other.splitlines()[0]
    assert max(map(len, other.splitlines())) < 80
    assert len(other.splitlines()) <= 23
    assert len(re.findall(r"-->|<--", other)) == len(re.findall(r"-->|<--", english))
    for line in english.partition("try this")[2].partition("bad at")[0].splitlines():
        if command := COMMAND.match(line.strip()):
            assert command[0] in other
