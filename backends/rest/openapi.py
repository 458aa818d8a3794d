"""The contract: OpenAPI for every resource; and the command that writes it.

``python -m backends.rest.openapi`` writes `openapi.json`, with ``--check`` it says whether it is up to date.
OpenAPI 3.0, because the page of swagger-ui-bundle reads nothing newer.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from backends.rest.codec import (
    EventPage,
    MemberList,
    Message,
    Problem,
    Receipt,
    RoomList,
    RoomState,
    SeatAnswer,
    SeatRequest,
    TextBody,
)
from backends.rest.operations import SCHEMA, Json

FILE = Path(__file__).with_name("openapi.json")
DESCRIPTION = """\
Chat rooms and their members, as resources. Take a seat with `POST /rooms/{room}/seats`, send a message
with `POST /rooms/{room}/messages`, ask for new events with `GET /rooms/{room}/events?after=SEQ`.

If the server requires an access token, every request needs it in `Authorization: Bearer`. `Seat-Key`
is the key of a seat: a client that has it acts for its owner. Errors are problems (RFC 9457): `code` is the
name of the error in every technique of this program, `detail` says what to do.

Every resource that has `GET` has `HEAD`, too, and lists its methods with `OPTIONS`.
"""
TAGS = {
    "rooms": "Rooms and their members",
    "seats": "Joining and leaving",
    "events": "Events of a room",
    "messages": "Messages of a room",
}
SCHEMES = {
    "access": {
        "type": "http",
        "scheme": "bearer",
        "description": "The access token, if the server requires one.",
    },
    "seat": {"type": "apiKey", "in": "header", "name": "Seat-Key", "description": "The key of a seat."},
}
BODIES = (
    SeatRequest,
    SeatAnswer,
    TextBody,
    Receipt,
    Message,
    EventPage,
    RoomState,
    RoomList,
    MemberList,
    Problem,
)


def contract(app: FastAPI) -> Json:
    """Return the OpenAPI document of the routes."""
    document = get_openapi(
        title="chat",
        version="1",
        openapi_version="3.0.3",
        description=DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        servers=[{"url": "/"}],
        license_info={"name": "MIT", "url": "https://opensource.org/license/mit"},
    )
    document["components"] = {"schemas": schemas(), "securitySchemes": SCHEMES}
    return document


# --- schemas -----------------------------------------------------------------------------------


def schemas() -> Json:
    """Return the JSON schemas of all bodies, with the words of their classes."""
    _, made = msgspec.json.schema_components(BODIES, ref_template=SCHEMA)
    kinds = {kind.__name__: kind for kind in structs(BODIES)}
    for name, schema in made.items():
        words = field_words(kinds[name])
        for key, told in schema["properties"].items():
            if key in words and "$ref" not in told:
                told["description"] = words[key]
    told = {name: as_30(schema) for name, schema in sorted(made.items())}
    assert isinstance(told, dict)
    return told


def structs(kinds: tuple[type, ...]) -> Iterator[type]:
    """Yield the struct classes, and those in their fields."""
    for kind in kinds:
        yield kind
        for one in msgspec.structs.fields(kind):
            yield from structs(
                tuple(
                    part
                    for part in (one.type, *getattr(one.type, "__args__", ()))
                    if isinstance(part, type) and issubclass(part, msgspec.Struct)
                )
            )


def field_words(kind: type) -> dict[str, str]:
    """Return what the source says about a class's fields: the strings that stand below them."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    words = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                words[name] = inspect.cleandoc(text)
    return words


def as_30(schema: Any) -> Any:
    """Return a JSON schema in the dialect of OpenAPI 3.0: no ``null`` type, one example."""
    if isinstance(schema, list):
        return [as_30(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: as_30(value) for key, value in schema.items()}
    if "examples" in made:
        made["example"] = made.pop("examples")[0]
    if {"type": "null"} in (parts := made.get("anyOf", ())):
        made["anyOf"] = [part for part in parts if part != {"type": "null"}]
        made["nullable"] = True
        made.pop("default", None)
    return made


# --- the file ----------------------------------------------------------------------------------


def text_of(app: FastAPI) -> str:
    """Return the contract as the file has it: the same for the same table."""
    return json.dumps(contract(app), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: list[str], make: Callable[[], FastAPI]) -> int:
    made = text_of(make())
    if "--check" not in arguments:
        FILE.write_text(made, encoding="utf-8")
    elif not FILE.exists() or FILE.read_text(encoding="utf-8") != made:
        sys.stderr.write(f"{FILE.name} is not what its table makes: run make openapi\n")
        return 1
    return 0


if __name__ == "__main__":
    from backends.rest.server import bare  # it needs the table, too

    sys.exit(main(sys.argv[1:], bare))
