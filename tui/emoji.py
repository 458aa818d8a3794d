"""Names of emoji for completion, from Python's own Unicode tables."""

from __future__ import annotations

import unicodedata
from functools import cache

BLOCKS = ((0x1F300, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1FAFF), (0x2600, 0x27BF))
OTHER_NAMES = {
    "+1": "👍",
    "-1": "👎",
    "joy": "😂",
    "lol": "😂",
    "sad": "😢",
    "smile": "😄",
    "tada": "🎉",
    "thanks": "🙏",
    "thinking": "🤔",
    "wave": "👋",
    "yes": "✅",
    "no": "❌",
}
"""What people call them elsewhere."""


@cache
def names() -> dict[str, str]:
    """Return all names. Only emoji of one character that is two cells wide: terminals agree about those."""
    found = dict(OTHER_NAMES)
    for first, last in BLOCKS:
        for code in range(first, last + 1):
            character = chr(code)
            if unicodedata.east_asian_width(character) == "W" and (name := unicodedata.name(character, "")):
                found.setdefault(name.lower().replace(" ", "_"), character)
    return found


def like(begun: str, at_most: int) -> list[tuple[str, str]]:
    """Return names and emoji where the name, or a word of it, begins so; the shortest names first."""
    begun = begun.casefold().replace("-", "_") if begun not in OTHER_NAMES else begun
    fits = [
        (not name.startswith(begun), len(name), name, emoji)
        for name, emoji in names().items()
        if name.startswith(begun) or f"_{begun}" in name
    ]
    return [(name, emoji) for *_, name, emoji in sorted(fits)[:at_most]]
