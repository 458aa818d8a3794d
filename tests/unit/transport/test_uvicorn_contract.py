"""What `chat.transport.http_connection` and `http_response` rely on in uvicorn, which documents none of it.

A failure means that the installed uvicorn is another one than the code was written for. Read the change in
uvicorn's source, adapt `HttpConnection`, and run ``tests/faults/test_web_connections.py``. Then correct the
tables here and the bound in `pyproject.toml`.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import httptools
import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from chat.transport import http_connection, http_response
from chat.transport.http_connection import HttpConnection

ROOT = Path(__file__).parents[3]
METHODS = {
    "__init__": ["self", "config", "server_state", "app_state", "_loop"],
    "connection_made": ["self", "transport"],
    "connection_lost": ["self", "exc"],
    "data_received": ["self", "data"],
    "eof_received": ["self"],
    "pause_writing": ["self"],
    "resume_writing": ["self"],
    "shutdown": ["self"],
    "on_message_begin": ["self"],
    "on_header": ["self", "name", "value"],
    "on_headers_complete": ["self"],
    "on_body": ["self", "body"],
    "on_message_complete": ["self"],
    "on_response_complete": ["self"],
    "send_400_response": ["self", "msg"],
}
"""Methods that `HttpConnection` overrides, with their parameters."""
ATTRIBUTES = {
    "app",
    "app_state",
    "cycle",
    "flow",
    "headers",
    "loop",
    "parser",
    "pipeline",
    "transport",
}
"""Attributes of a connection that it uses; `url` comes with the first request."""
CYCLE = {
    "disconnected",
    "keep_alive",
    "message_event",
    "more_body",
    "on_response",
    "response_complete",
    "response_started",
    "scope",
    "transport",
}
"""Attributes of a request and its response."""
STATE = {"connections", "tasks"}
"""Attributes of what all connections of a server share."""


def changed(what: str) -> str:
    return f"uvicorn {version('uvicorn')} has changed {what}: see the docstring of {Path(__file__).name}"


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """Stand for an application."""


@pytest.fixture
async def protocol() -> HttpToolsProtocol:
    config = uvicorn.Config(nothing, loop="none", ws="none", lifespan="off", log_config=None)
    config.load()
    return HttpToolsProtocol(config, ServerState(), {})


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_is_overridden_takes_what_it_took(name: str) -> None:
    method = getattr(HttpToolsProtocol, name, None)
    assert method is not None, changed(f"HttpToolsProtocol.{name}: it is gone")
    assert list(inspect.signature(method).parameters) == METHODS[name], changed(f"HttpToolsProtocol.{name}")


def test_every_method_that_is_overridden_is_in_the_table() -> None:
    own = {name for name, value in vars(HttpConnection).items() if inspect.isfunction(value)}
    assert {name for name in own if hasattr(HttpToolsProtocol, name)} == set(METHODS)


@pytest.mark.parametrize("module", [http_connection, http_response], ids=lambda one: str(one.__name__))
def test_no_private_name_of_uvicorn_is_used(module: ModuleType) -> None:
    """A name that begins with an underscore may change in any version."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    source = inspect.getsource(httptools_impl)
    private = set(re.findall(r"\bself\.(_[a-z]\w*)", source))
    assert not used & private


async def test_a_connection_has_the_attributes_that_are_used(protocol: HttpToolsProtocol) -> None:
    missing = ATTRIBUTES - set(vars(protocol))
    assert not missing, changed(f"HttpToolsProtocol: it has no {', '.join(missing)}")
    state = STATE - set(vars(protocol.server_state))
    assert not state, changed(f"ServerState: it has no {', '.join(state)}")


async def test_a_connection_parses_with_httptools(protocol: HttpToolsProtocol) -> None:
    """`HttpConnection` puts a parser of its own in that place."""
    assert type(protocol.parser) is httptools.HttpRequestParser, changed("HttpToolsProtocol.parser")


async def test_a_request_has_the_attributes_that_are_used(protocol: HttpToolsProtocol) -> None:
    protocol.on_message_begin()
    assert protocol.url == b"", changed("HttpToolsProtocol.url")
    parameters = dict.fromkeys(list(inspect.signature(RequestResponseCycle).parameters))
    cycle = RequestResponseCycle(**parameters | {"message_event": asyncio.Event()})  # type: ignore[arg-type]  # None for all others
    missing = CYCLE - set(vars(cycle))
    assert not missing, changed(f"RequestResponseCycle: it has no {', '.join(missing)}")


def test_a_status_line_is_bytes_with_its_end() -> None:
    assert httptools_impl.STATUS_LINE[431].startswith(b"HTTP/1.1 431 "), changed("STATUS_LINE")
    assert httptools_impl.STATUS_LINE[431].endswith(b"\r\n"), changed("STATUS_LINE")


def test_the_version_is_bounded() -> None:
    """A newer uvicorn is installed only after somebody has run these tests with it."""
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (uvicorn_,) = [one for one in dependencies if one.startswith("uvicorn")]
    bound = re.search(r"<0\.(\d+)$", uvicorn_)
    assert bound is not None, f"{uvicorn_} has no upper bound"
    assert int(version("uvicorn").split(".")[1]) < int(bound[1])
