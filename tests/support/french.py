"""Finds English in what a French user is shown: words of ours, not those of a wire, a path or a command."""

from __future__ import annotations

import re

WORDS = frozenset(
    re.findall(
        r"\w+",
        "the is are was were with and your you my this these that those of to for has have had it its from "
        "which who whom what when where there here not nor be been by at as if into over until nothing "
        "nobody somebody everybody",
    )
)
"""Words that are in almost every English sentence, and in no French one."""
NO_WORDS = re.compile(
    r"\S*[/=\\@_]\S*|--?[a-z]\S*|\b(?:chat|apt|pip|npx|brew|docker|tput|tmux) [^,;()]*"
    r"|(?<!\w)'[^']*'|\"[^\"]*\""
)
"""Paths, addresses, options, commands to be typed, and what somebody else has said."""


def english(text: str) -> list[str]:
    """Return the lines that have an English word in them."""
    return [line for line in text.splitlines() if WORDS & set(words(line))]


def words(line: str) -> list[str]:
    return re.findall(r"[a-zà-ÿœ]+", NO_WORDS.sub(" ", line).lower())
