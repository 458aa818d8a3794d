"""Parses the XML of a request, and refuses what SOAP or safety forbids. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lxml import etree

from backends.soap.conversion import TNS
from chat.domain.errors import BadRequest, ChatError
from chat.domain.json_codec import shorten
from chat.domain.validation import printable

LONGEST = 60
"""Characters of a name or a value that a refusal quotes."""
_QUOTED_NAME = re.compile("'([^']*)'")
_QUOTED_VALUE = re.compile(
    r"((?:\[facet '\w+'\] )?(?:The (?:QName )?value |The attribute )?)'(.*)'( [^ ].*)", re.DOTALL
)
"""What libxml2 says after the element's name, if it quotes a value first. The value may hold quotes, too."""
_MARK = b"(?:\xef\xbb\xbf)?"
_DECLARED = re.compile(_MARK + rb"""<\?xml\s[^>]*?\sencoding\s*=\s*["']([!-~]*?)["']""")
_TYPED = re.compile(_MARK + rb"(?>\s+|<\?(?>.*?\?>)|<!--(?>.*?-->))*+<!DOCTYPE", re.DOTALL)
"""A document type behind anything that may precede the root (XML 1.0, productions 22 to 28)."""

_PARSER = etree.XMLParser(
    encoding="utf-8",
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
    collect_ids=False,
)


@dataclass(frozen=True, slots=True)
class FaultCode:
    """The code of a fault that is not coded by its error: a name of SOAP itself, or of another namespace."""

    name: str
    namespace: str = ""
    headers: tuple[str, ...] = ()
    """Tags of the headers that were not understood."""


class Refused(Exception):
    """A message that is refused before an operation gets it."""

    def __init__(self, error: ChatError, code: FaultCode | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.code = code


def refused(text: str) -> Refused:
    """Return what to raise for a message that is not as it should be."""
    return Refused(BadRequest(text))


def name_of(element: Any) -> str:
    """Return an element's name for the text of a refusal; with its namespace, unless that is the chat's."""
    return shorten(printable(element.tag.removeprefix(f"{{{TNS}}}")), LONGEST)


def why_invalid(message: str) -> str:
    """Return what libxml2 says about an invalid element, with the element and the rule whole.

    It quotes names and the value, which may be as long as the request: they are shortened.
    """
    if message.startswith(f"Element '{{{TNS}}}"):
        message = message.replace(f"{{{TNS}}}", "")
    # Otherwise the namespace is what is wrong, and must be seen.
    names, colon, rest = message.partition(": ")
    found = _QUOTED_VALUE.fullmatch(rest)
    if found is not None:
        rest = f"{found[1]}'{shorten(printable(found[2]), LONGEST)}'{found[3]}"
    return _QUOTED_NAME.sub(lambda name: f"'{shorten(printable(name[1]), LONGEST)}'", names) + colon + rest


def parse(data: bytes) -> Any:
    """Return the root element of a document without a document type. Raises `Refused`.

    The document type is looked for before libxml2 parses anything: even when it is told not to load external
    entities, libxml2 opens some of the files that a document type names. So the encoding is settled here as
    well, and nothing hides in another one. libxml2 allows 256 nested elements.
    """
    data = _in_utf8(data)
    if _TYPED.match(data):
        raise refused("a SOAP message has no document type")
    try:
        return etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError as error:
        raise refused(f"not XML: {shorten(printable(error.msg or 'nothing'))}") from None


def _in_utf8(data: bytes) -> bytes:
    """Return a document in UTF-8 or UTF-16 as UTF-8. Raises `Refused` for other encodings.

    The first bytes tell which of the two it is (XML 1.0, appendix F). A declaration must agree with them.
    """
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
    if wide:
        order = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}.get(data[:2], "utf-16")
        try:
            data = data.decode(order).encode()
        except UnicodeError:
            raise refused("not XML: neither UTF-8 nor UTF-16") from None
    declared = _DECLARED.match(data)
    if declared is not None:
        name = declared[1].decode().lower()
        if not name.startswith("utf-16") if wide else name not in ("utf-8", "us-ascii", "ascii"):
            raise refused(f"the encoding {shorten(name, 40)} is not supported: send UTF-8")
    return data
