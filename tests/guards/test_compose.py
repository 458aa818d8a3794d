"""docker-compose.yml and the Dockerfile: each command, port and variable in them is one that there is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

import backends
from chat.cli.main import chat
from chat.interfaces.address import Address, parse_address

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
MANAGEMENT = 15672


def test_there_are_a_broker_and_two_servers() -> None:
    assert sorted(OURS) == ["node1", "node2"]
    assert sorted(SERVICES) == ["node1", "node2", "rabbitmq"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_command_is_one_of_ours(name: str) -> None:
    words: list[str] = OURS[name]["command"]
    command = chat.commands[words[0]]
    with command.make_context(words[0], words[1:], auto_envvar_prefix="CHAT_SERVE") as context:
        assert context.params["host"] == "0.0.0.0", "in a container nobody else could come in"


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_is_that_of_an_option(name: str) -> None:
    serve = chat.commands["serve"]
    assert isinstance(serve, click.Command)
    known = {f"CHAT_SERVE_{option.name.upper()}" for option in serve.params if option.name} | {"CHAT_TOKEN"}
    assert set(OURS[name]["environment"]) <= known


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_log_is_in_the_broker_of_this_file(name: str) -> None:
    label = next(label for label in backends.techniques() if label.log)
    address = parse_address(OURS[name]["environment"]["CHAT_SERVE_LOG"], label.port, label.schemes)
    assert (address.host, address.port) == ("rabbitmq", label.port)
    broker = SERVICES["rabbitmq"]["environment"]
    account = f"{broker['RABBITMQ_DEFAULT_USER']}:{broker['RABBITMQ_DEFAULT_PASS']}"
    assert address.url.startswith(f"amqp://{account}@")


def ports(name: str) -> dict[tuple[int, str], Address]:
    """Return where each port of a service, with its transport, is published."""
    found = {}
    for told in SERVICES[name]["ports"]:
        host, published, inside = told.split(":")
        port, _, transport = inside.partition("/")
        found[int(port), transport or "tcp"] = Address(host, int(published))
    return found


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_technique_with_a_server_is_published_at_its_port(name: str) -> None:
    wanted = {(label.port, label.traits.transport) for label in backends.techniques() if label.server}
    assert set(ports(name)) == wanted, "publish each technique's port in docker-compose.yml, once a node"


def test_the_broker_is_published_at_the_port_where_clients_look() -> None:
    label = backends.technique("rabbitmq")
    assert ports("rabbitmq")[label.port, "tcp"] == Address("127.0.0.1", label.port)
    assert set(ports("rabbitmq")) == {(label.port, "tcp"), (MANAGEMENT, "tcp")}


def test_everything_is_published_once_and_to_this_machine_only() -> None:
    published = [(at, key[1]) for name in SERVICES for key, at in ports(name).items()]
    assert {at.host for at, _ in published} == {"127.0.0.1"}
    assert len(set(published)) == len(published)


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_server_waits_until_the_broker_is_well(name: str) -> None:
    assert OURS[name]["depends_on"] == {"rabbitmq": {"condition": "service_healthy"}}
    assert SERVICES["rabbitmq"]["healthcheck"]["test"][1] == "rabbitmq-diagnostics"


def test_the_brokers_data_outlives_it() -> None:
    broker = SERVICES["rabbitmq"]
    assert broker["hostname"], "the folder of the data is named after it"
    (volume,) = broker["volumes"]
    assert volume.partition(":")[0] in COMPOSE["volumes"]


def test_images_are_pinned_to_a_version() -> None:
    tried = re.search(r"with RabbitMQ ([\d., and]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    image = re.fullmatch(r"rabbitmq:(4\.\d+)-management", SERVICES["rabbitmq"]["image"])
    assert tried
    assert image
    assert image[1] in re.findall(r"[\d.]+\d", tried[1]), "the image is of a line that was tried"
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert set(images) == {"python:3.13-slim"}


def test_the_container_runs_chat_and_not_as_root() -> None:
    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["/opt/chat/bin/chat"\]$', DOCKERFILE, re.MULTILINE)


def test_what_is_built_has_all_that_the_package_is_made_of() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in kept)
    packages = {"chat", "backends", "protos", "wsdl", "lab", "tui"}
    assert packages | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", "man"} == kept


def test_compose_itself_accepts_the_file() -> None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        there = subprocess.run([*command, "version"], capture_output=True, check=False)
        if there.returncode == 0:
            break
    else:
        pytest.skip("neither docker compose nor docker-compose is installed")
    done = subprocess.run(
        [*command, "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
