"""The translations of one language: a text is found by itself, or by the template that it was made from."""

from __future__ import annotations

import gettext
import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from string import Formatter

WITHIN = {"error", "reason", "why", "advice", "what", "hint", "told"}
WITHIN |= {"about", "connect", "asked", "say", "phase", "so_far"}
"""Values with these names are texts of ours themselves, and are translated too."""
KEPT = 512
"""How many translated texts are kept, since the same one is often shown again."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with values in it, and its translation."""

    source: str
    translation: str
    literals: tuple[str, ...] = field(init=False)
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        literals, pattern = [], []
        for literal, name, _, _ in Formatter().parse(self.source):
            if literal:
                literals.append(literal)
                pattern.append(re.escape(literal))
            if name is not None:
                pattern.append(f"(?P<{name}>.*?)")
        object.__setattr__(self, "literals", tuple(sorted(literals, key=len, reverse=True)))
        object.__setattr__(self, "pattern", re.compile("".join(pattern), re.DOTALL))

    @property
    def weight(self) -> int:
        """How much of a text it says itself: of several that fit, the heaviest is meant."""
        return sum(map(len, self.literals))


class Catalogue:
    """Translates texts.

    Args:
        translations: the messages of a compiled catalogue, without plural forms: each number has its text.
        language: its name, e.g. ``fr``.
    """

    def __init__(self, translations: gettext.NullTranslations, language: str) -> None:
        self.language = language
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
        self._templates = sorted(templates, key=lambda template: -template.weight)
        self._seen: OrderedDict[str, str] = OrderedDict()

    def translate(self, text: str) -> str:
        """Return the translation, or the text itself if there is none."""
        if (exact := self._exact.get(text)) is not None:
            return exact
        if (seen := self._seen.get(text)) is not None:
            return seen
        self._seen[text] = found = self._from_template(text)
        if len(self._seen) > KEPT:
            self._seen.popitem(last=False)
        return found

    def _from_template(self, text: str) -> str:
        for template in self._templates:
            if template.literals[0] in text and (match := template.pattern.fullmatch(text)):
                values = {
                    name: self.translate(value) if name.rstrip("0123456789") in WITHIN else value
                    for name, value in match.groupdict().items()
                }
                return template.translation.format(**values)
        for between in ("; ", ": "):  # several texts of ours, or one and its reason
            first, found, rest = text.partition(between)
            if found:
                return f"{self.translate(first)}{between}{self.translate(rest)}"
        return text


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
