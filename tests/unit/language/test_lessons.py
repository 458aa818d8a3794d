"""A lesson in another language has the same steps: what is typed and shown in it is what a test has run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat.language.translation import COMPLETE

COMMENT = re.compile(r" +# .*$", re.MULTILINE)
"""What is said of a command behind it, which is translated."""
DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("language", COMPLETE)
@pytest.mark.parametrize("lesson", ["lesson-0", "lesson-1", "class"])
def test_it_has_the_steps_of_the_english_one(lesson: str, language: str) -> None:
    english = (DOCS / f"{lesson}.md").read_text(encoding="utf-8")
    other = (DOCS / f"{lesson}.{language}.md").read_text(encoding="utf-8")
    for part in (r"^```.*?^```$", r"^## (?:\d\.)?", r"^\*(?=\w+ ?:\*)", r"^\|(?=[^\n]*\|$)"):
        found = [
            re.findall(part, COMMENT.sub("", page), re.DOTALL | re.MULTILINE) for page in (english, other)
        ]
        assert found[0] == found[1]
    assert set(re.findall(r"`(?:chat|/|kill)[^`]*`", english)) <= set(re.findall(r"`[^`]*`", other))
