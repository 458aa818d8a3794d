"""Fields for values in brine and in boxes, and what a call is made of, derived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rpyc.core import consts

from backends.rpyc.decoding_brine import Value, is_pairs
from chat.interfaces.frames import MASK, Field, Part
from chat.transport.decoding.json_fields import SECRETS, written
from chat.transport.decoding.stream import Undecodable
from chat.transport.decoding.text import one_line

LABELS = {value: name for name, value in vars(consts).items() if name.startswith("LABEL_")}
_REFERENCES = (consts.LABEL_LOCAL_REF, consts.LABEL_REMOTE_REF)
_ID_PACK = ("name", "type id", "object id")

Names = tuple[str, ...]


class Reference(NamedTuple):
    """An object of one of the two sides, by its name."""

    of_receiver: bool
    """It is an object of who gets the message; else of who sent it."""
    id_pack: Any

    def __str__(self) -> str:
        whose = "yours" if self.of_receiver else "mine"
        parts = self.id_pack if type(self.id_pack) is tuple else (self.id_pack,)
        return f"<{whose}: {' '.join(map(str, parts))}>"


def unbox(box: Value) -> Any:
    """Return what is in a box. Raises `Undecodable`."""
    label, value = _opened(box)
    if label.value in _REFERENCES:
        return Reference(label.value == consts.LABEL_LOCAL_REF, value.value)
    if label.value == consts.LABEL_TUPLE:
        return tuple(map(unbox, value.items or ()))
    return value.value


def _opened(box: Value) -> tuple[Value, Value]:
    if box.items is None or len(box.items) != 2 or type(box.items[0].value) is not int:
        raise Undecodable("a value that is in no box")
    label, value = box.items
    if label.value not in LABELS:
        raise Undecodable(f"a box with the label {label.value}")
    if label.value == consts.LABEL_TUPLE and value.items is None:
        raise Undecodable("a box with the label of a tuple, and no tuple in it")
    return label, value


class Writer:
    """Adds fields for values, with their places in the frame."""

    def __init__(self, at: int | None, known: Mapping[str, Names] | None = None, texts: Names = ()) -> None:
        """Begin.

        Args:
            at: where the message begins in the frame; None: it was compressed, and its values have no places.
            known: names for the items of a tuple, by the tuple's own name.
            texts: the tuples in which a person wrote what is called ``text``, by their names.
        """
        self._at, self._known, self._texts = at, known or {}, texts
        self.secrets: list[bytes] = []
        """The secrets that were found."""

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Return a place in the frame."""
        return None if self._at is None else (self._at + start, self._at + end)

    def box(self, parent: Field, name: str, box: Value) -> None:
        """Add what is in a box: its label, and a value, a tuple of boxes or the name of an object."""
        label, value = _opened(box)
        node = self._node(parent, name, box)
        node.add(
            "label", f"{label.value} ({LABELS[label.value]})", self.span(label.start, label.end), "framing"
        )
        if label.value in _REFERENCES:
            node.value = one_line(str(unbox(box)))
            self.value(node, "id_pack", value, names=_ID_PACK)
        elif label.value == consts.LABEL_TUPLE:
            below = self._node(node, name, value)
            for item, called in self._items(value, name):
                self.box(below, called, item)
        else:
            self.value(node, name, value)

    def value(
        self, parent: Field, name: str, value: Value, part: Part = "envelope", names: Names | None = None
    ) -> None:
        """Add a value of any kind; a tuple of pairs as the names and values in it."""
        if value.items is None:
            self._scalar(parent, name, value, part)
            return
        secret = name in SECRETS and value.value != ()
        node = self._node(parent, name, value)
        node.secret = secret
        if secret:
            node.value = MASK
        if is_pairs(value.value):
            is_text = name in self._texts or written(dict(value.value))
            for pair in value.items:
                self._pair(node, pair, is_text=is_text)
            return
        for item, called in self._items(value, name, names):
            self.value(node, called, item, "payload" if self._is_text(name, called) else "envelope")

    def _pair(self, parent: Field, pair: Value, *, is_text: bool) -> None:
        assert pair.items is not None
        key, value = pair.items
        name = one_line(key.value)
        node = self._node(parent, name, pair)
        self._scalar(node, "name", key, "envelope")
        self.value(node, name, value, "payload" if is_text and name == "text" else "envelope")

    def _items(self, value: Value, name: str, names: Names | None = None) -> list[tuple[Value, str]]:
        known = self._known.get(name, ()) if names is None else names
        return [
            (item, known[index] if index < len(known) else f"[{index}]")
            for index, item in enumerate(value.items or ())
        ]

    def _is_text(self, name: str, called: str) -> bool:
        return called == "text" and name in self._texts

    def _node(self, parent: Field, name: str, value: Value) -> Field:
        node = parent.add(name, "", self.span(value.start, value.end), "envelope")
        node.add("tag", value.tag, self.span(value.start, value.body), "framing")
        return node

    def _scalar(self, parent: Field, name: str, value: Value, part: Part) -> None:
        secret = name in SECRETS and value.value not in ("", b"", None)
        if secret:
            self.secrets.append(_bytes(value.value))
        said = MASK if secret else shown(value.value)
        if value.body in (value.start, value.end):  # the tag is all
            parent.add(name, said, self.span(value.start, value.end), "envelope", secret=secret)
            return
        node = self._node(parent, name, value)
        node.value = said
        node.add(name, said, self.span(value.body, value.end), part, secret=secret)


def _bytes(value: Any) -> bytes:
    return value if type(value) is bytes else str(value).encode(errors="replace")


def shown(value: Any) -> str:
    """Return a value as it is shown: a text as it is, anything else as Python writes it."""
    return one_line(value if type(value) is str else str(value) if type(value) is Reference else repr(value))


def derive(parent: Field, name: str, value: Any, *, is_text: bool = False) -> None:
    """Add a value without its bytes, as an argument or a result of a call."""
    name = one_line(name)
    if name in SECRETS and value not in ("", b"", None, ()):
        parent.add(name, MASK, None, "envelope", secret=True)
    elif is_pairs(value):
        below = parent.add(name, "", None, "envelope")
        derive_all(below, dict(value), is_text=written(dict(value)))
    elif type(value) is tuple and value:
        below = parent.add(name, f"{len(value)} values", None, "envelope")
        for index, item in enumerate(value):
            derive(below, f"[{index}]", item)
    else:
        part: Part = "payload" if is_text and name == "text" else "envelope"
        parent.add(name, shown(value), None, part)


def derive_all(parent: Field, values: Mapping[str, Any], *, is_text: bool) -> None:
    """Add values by their names."""
    for name, value in values.items():
        derive(parent, name, value, is_text=is_text)


def plain(value: Any) -> Any:
    """Return a value with dicts instead of tuples of pairs, and lists instead of other tuples."""
    if is_pairs(value):
        return {name: plain(one) for name, one in value}
    return list(map(plain, value)) if type(value) is tuple else value
