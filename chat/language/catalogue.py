"""The translations of one language: a text is found by itself, or by the template that it was made from."""

from __future__ import annotations

import gettext
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from string import Formatter

WITHIN = {"about", "advice", "asked", "backup", "connect", "definition", "done", "elsewhere", "error"}
WITHIN |= {"fact", "fresh", "hint", "how", "install", "join", "kind", "log", "names", "off", "phase"}
WITHIN |= {"pid", "plan", "problems", "proof", "reason", "say", "set", "size", "so_far", "state"}
WITHIN |= {
    "told",
    "use",
    "wanted",
    "way_out",
    "what",
    "where",
    "which",
    "why",
    "left_out",
    "not_on",
    "stores",
}
"""Values with these names are texts of ours themselves, and are translated too."""
NUMBER = re.compile(r"\d[\d,]*")
"""What a value with the name ``n`` is."""
LIST = "shown"
"""A value with this name is a list of names, and goes over no border between two texts."""
LIGHT = 7
"""So few letters of a template say little: its values are names and numbers, and have no blank."""
BETWEEN = ("; ", ": ")
"""What stands between two texts."""
SPACE = {"fr": " "}
"""What stands before a semicolon and a colon."""
KEPT = 512
"""How many translated texts are kept, since the same one is often shown again."""
LONGEST = 4000
"""Characters of a text that is looked for: ours are shorter. An error of a server may be long."""
DEEPEST = 20
"""Texts within each other that are translated; what is further within stays as it is."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with values in it, and its translation."""

    source: str
    translation: str
    names: tuple[str, ...] = field(init=False)
    literals: tuple[str, ...] = field(init=False)
    """What stands before, between and behind the values."""
    longest: str = field(init=False)

    def __post_init__(self) -> None:
        names, literals = [], [""]
        for literal, name, _, _ in Formatter().parse(self.source):
            literals[-1] += literal
            if name is not None:
                names.append(name)
                literals.append("")
        object.__setattr__(self, "names", tuple(names))
        object.__setattr__(self, "literals", tuple(literals))
        object.__setattr__(self, "longest", max(literals, key=len))

    @property
    def weight(self) -> tuple[int, int]:
        """How much of a text it says itself: of several that fit, the heaviest is meant."""
        return sum(map(len, self.literals)), self.names.count("n")

    def values(self, text: str) -> dict[str, str] | None:
        """Return the values that make this text of the template, each as short as it can be; None: none do.

        The time grows as the text does: a pattern of `re` goes back and forth in one that nearly fits.
        """
        first, *between, last = self.literals
        if not (self.longest in text and text.startswith(first) and text.endswith(last)):
            return None
        found, at = [], len(first)
        for literal in between:
            end = text.find(literal, at)
            if end < 0:
                return None
            found.append(text[at:end])
            at = end + len(literal)
        if at > len(text) - len(last):
            return None
        values = dict(zip(self.names, [*found, text[at : len(text) - len(last)]], strict=True))
        return values if self._takes(values) else None

    def _takes(self, values: dict[str, str]) -> bool:
        if not NUMBER.fullmatch(values.get("n", "0")) or has(BETWEEN, {LIST: values.get(LIST, "")}):
            return False
        return self.weight[0] > LIGHT or not has((" ",), values)


class Catalogue:
    """Translates texts.

    Args:
        translations: the messages of a compiled catalogue, without plural forms: each number has its text.
        language: its name, e.g. ``fr``.
    """

    def __init__(self, translations: gettext.NullTranslations, language: str) -> None:
        self.language = language
        self.space = SPACE.get(language, "")
        known: dict[object, str] = getattr(translations, "_catalog", {})
        texts = {
            source: text for source, text in known.items() if isinstance(source, str) and source and text
        }
        self._exact = {source: text for source, text in texts.items() if not names(source)}
        templates = (  # what has other values than its text can't be filled in
            Template(source, text)
            for source, text in texts.items()
            if (values := names(source)) and sorted(values) == sorted(names(text))
        )
        self._templates = sorted(templates, key=lambda template: template.weight, reverse=True)
        self._seen: OrderedDict[str, str] = OrderedDict()

    def translate(self, text: str) -> str:
        """Return the translation, or the text itself if there is none."""
        if (exact := self._exact.get(text)) is not None:
            return exact
        if (seen := self._seen.get(text)) is not None:
            return seen
        if len(text) > LONGEST:
            return text
        self._seen[text] = found = self._translated(text, DEEPEST)
        if len(self._seen) > KEPT:
            self._seen.popitem(last=False)
        return found

    def _translated(self, text: str, deepest: int) -> str:
        if (exact := self._exact.get(text)) is not None:
            return exact
        return self._from_template(text, deepest - 1) if deepest else text

    def _from_template(self, text: str, deepest: int) -> str:
        fitting = [(one, found) for one in self._templates if (found := one.values(text)) is not None]
        # A reason may be a heavier text than the one that it is in, with all before it as its first value.
        clean = [(one, values) for one, values in fitting if not has(BETWEEN, values)]
        # Nothing fits but a template with two texts in a name's place: the first ends at the colon.
        before, sign, reason = text.partition(": ")
        if sign and not clean and (before in self._exact or " " not in before):
            return self._side_by_side(before, ": ", reason, deepest)
        for template, values in clean or fitting:
            ours = {name: self._translated(value, deepest) for name, value in values.items() if within(name)}
            return template.translation.format(**values | ours)
        for between in BETWEEN:  # several texts of ours, or one and its reason
            first, sign, rest = text.partition(between)
            if sign:
                return self._side_by_side(first, between, rest, deepest)
        return text

    def _side_by_side(self, first: str, between: str, rest: str, deepest: int) -> str:
        told = self._translated(first, deepest)
        also = self._translated(rest, deepest)
        space = self.space if (told, also) != (first, rest) else ""
        return f"{told}{space}{between}{also}"


def within(name: str) -> bool:
    """Return whether a value with this name is a text of ours."""
    return name.rstrip("0123456789") in WITHIN


def has(parts: Iterable[str], values: dict[str, str]) -> bool:
    """Return whether a value that should be a name or a number has one of these parts in it."""
    others = [value for name, value in values.items() if not within(name)]
    return any(part in value for value in others for part in parts)


def names(source: str) -> list[str]:
    """Return the names of the values in a text, in their order."""
    return list(_names(source))


def _names(source: str) -> Iterator[str]:
    try:
        for _, name, _, _ in Formatter().parse(source):
            if name:
                yield name
    except ValueError:  # braces that are meant as such
        return
