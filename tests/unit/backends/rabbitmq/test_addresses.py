"""Addresses that are URLs: what they say, and that nobody reads the password in them by chance."""

from __future__ import annotations

import pytest

import backends
from backends.rabbitmq.amqp_login import parameters
from backends.rabbitmq.names import virtual_host
from chat.domain.errors import ChatError
from chat.interfaces.address import parse_address, parse_servers
from chat.server.logs import open_log

AMQP = ("amqp",)
URL = "amqp://ann:se%2Fcret@example.org:5673/my%2Fhost"


def test_a_url_names_host_port_and_the_rest() -> None:
    address = parse_address(URL, 5672, AMQP)
    assert (address.host, address.port, address.url) == ("example.org", 5673, URL)
    assert virtual_host(address) == "my/host"
    told = parameters(address, "a token", "test")
    assert (told.credentials.username, told.credentials.password) == ("ann", "se/cret")


def test_without_a_port_it_is_the_techniques_and_without_a_path_the_first_virtual_host() -> None:
    address = parse_address("amqp://example.org", 5672, AMQP)
    assert address.port == 5672
    assert virtual_host(address) == "/"


def test_without_a_password_the_access_token_is_it() -> None:
    told = parameters(parse_address("amqp://ann@example.org", 5672, AMQP), "a token", "test")
    assert (told.credentials.username, told.credentials.password) == ("ann", "a token")
    told = parameters(parse_address("example.org", 5672, AMQP), "", "test")
    assert (told.credentials.username, told.credentials.password) == ("guest", "guest")


def test_nobody_sees_the_password_by_chance() -> None:
    address = parse_address(URL, 5672, AMQP)
    assert "cret" not in f"{address} {address!r}"


@pytest.mark.parametrize(
    ("text", "schemes"), [(URL, ()), ("http://ann:secret@example.org", AMQP), ("amqp://ann:secret@", AMQP)]
)
def test_what_is_none_is_refused_without_the_password(text: str, schemes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="is no address") as refused:
        parse_servers(text, 5672, schemes)
    assert "cret" not in str(refused.value)


def test_a_log_that_is_none_is_refused_without_the_password() -> None:
    with pytest.raises(ChatError, match="is not a log: write memory, sqlite:PATH or amqp://") as refused:
        open_log("kafka://ann:secret@example.org/", backends.techniques())
    assert "secret" not in str(refused.value)
