"""Makes the OpenAPI document of the REST API.

``python -m backends.rest.openapi`` writes `openapi.json`; with ``--check`` it only tells whether the file is
up to date. It is OpenAPI 3.0, because the page of swagger-ui-bundle reads nothing newer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
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
from backends.rest.descriptions import FIELDS, SCHEMAS
from backends.rest.operations import OWN_URL, SCHEMA, Json
from backends.rest.pages import CONTRACT
from chat.domain.model import MAX_NUMBER

DESCRIPTION = """\
Chat rooms as resources. Take a seat with `POST /rooms/{room}/seats`, say something with
`POST /rooms/{room}/messages`, ask for news with `GET /rooms/{room}/events?after=SEQ`.

`Authorization: Bearer` carries the access token in every request, if the server asks for one: as it is, in
UTF-8, or percent-encoded. `Seat-Key` is
the secret key of a seat: a request with it acts as the seat's owner. Errors are problems (RFC 9457): `code`
is the error's name, `detail` says what to do.

Every resource with `GET` has `HEAD`, too, and every resource lists its methods by `OPTIONS`.
"""
TAGS = {
    "rooms": "Rooms and their members",
    "seats": "Joining and leaving",
    "events": "The log of a room",
    "messages": "Saying, editing and deleting",
}
SCHEMES = {
    "access": {
        "type": "http",
        "scheme": "bearer",
        "description": "The access token, if the server asks for one: as it is in UTF-8, or percent-encoded.",
    },
    "seat": {
        "type": "apiKey",
        "in": "header",
        "name": "Seat-Key",
        "description": "The secret key of a seat.",
    },
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
REQUESTS = ("Cursor", "SeatRequest", "TextBody")
"""Schemas of request bodies: ``null`` in an optional field counts as absent."""


def contract(app: FastAPI) -> Json:
    """Return the OpenAPI document of the routes."""
    document = get_openapi(
        title="chat",
        version="1",
        openapi_version="3.0.3",
        description=DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        servers=[{"url": OWN_URL}],
        license_info={"name": "MIT", "url": "https://opensource.org/license/mit"},
    )
    document["components"] = {"schemas": schemas(), "securitySchemes": SCHEMES}
    return document


# --- schemas -----------------------------------------------------------------------------------


def schemas() -> Json:
    """Return the JSON schemas of all bodies, with their descriptions."""
    _, made = msgspec.json.schema_components(BODIES, ref_template=SCHEMA)
    for name, schema in made.items():
        schema["description"] = SCHEMAS[name]
        for key, field in schema["properties"].items():
            if "$ref" not in field:  # OpenAPI 3.0 ignores what is beside a reference
                field["description"] = FIELDS[name][key]
    for name in REQUESTS:
        for key, field in made[name]["properties"].items():
            kinds = {part.get("type", "null") for part in (field, *field.get("anyOf", ()))}
            if key not in made[name].get("required", ()) and kinds != {"null"}:
                field["nullable"] = True
    made["Cursor"]["nullable"] = True  # here, because OpenAPI 3.0 ignores it where there is no type beside it
    made["Limits"]["required"] = list(made["Limits"]["properties"])  # the server sends all of them
    return {name: as_30(schema) for name, schema in sorted(made.items())}


def as_30(schema: Any) -> Any:
    """Return a JSON schema in the dialect of OpenAPI 3.0: no ``null`` type, one example, no defaults.

    A default would mislead generators of clients: here an absent field means "not known", or the choice of
    the server.
    """
    if isinstance(schema, list):
        return [as_30(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: as_30(value) for key, value in schema.items() if key != "default"}
    if "enum" in made:
        made.setdefault("type", "string")
    if made.get("maximum") == MAX_NUMBER:
        made["format"] = "int64"
    if "examples" in made:
        made["example"] = made.pop("examples")[0]
    if {"type": "null"} in (parts := made.get("anyOf", ())):
        made["allOf"] = [part for part in parts if part != {"type": "null"}]
        del made["anyOf"]
        if len(made["allOf"]) == 1 and "$ref" not in made["allOf"][0]:
            # A generator takes what is inside for the type, and an `allOf` for a class.
            made |= made.pop("allOf")[0]
    return made


# --- the file ----------------------------------------------------------------------------------


def text_of(app: FastAPI) -> str:
    """Return the document as the file has it; the same routes always give the same text."""
    return json.dumps(contract(app), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: list[str], make: Callable[[], FastAPI]) -> int:
    made = text_of(make())
    if "--check" not in arguments:
        CONTRACT.write_text(made, encoding="utf-8")
    elif not CONTRACT.exists() or CONTRACT.read_text(encoding="utf-8") != made:
        sys.stderr.write(f"{CONTRACT.name} is out of date: run make openapi\n")
        return 1
    return 0


if __name__ == "__main__":
    from backends.rest.server import bare  # it needs the table, too

    sys.exit(main(sys.argv[1:], bare))
