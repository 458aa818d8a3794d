"""What ``chat doctor`` says of a broker, what it leaves there, and advice that fits who named the broker."""

from __future__ import annotations

import pytest

from tests.support.broker import Hosts
from tests.support.processes import chat, chat_here

NOWHERE = "amqp://127.0.0.1:9/"


def test_doctor_takes_a_url_and_leaves_nothing_in_the_broker(vhost: str, hosts: Hosts) -> None:
    done = chat("doctor", vhost)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("rabbitmq  ok  127.0.0.1:")
    name = vhost.rpartition("/")[2]
    assert hosts.broker.ctl("list_queues", "--vhost", name, "name") == ""
    assert "chat" not in hosts.broker.ctl("list_exchanges", "--vhost", name, "name")


def test_doctor_takes_several_urls_and_looks_at_each(vhost: str) -> None:
    done = chat_here("doctor", "-b", "rabbitmq", f"{vhost}-missing,{vhost}")
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert "has no virtual host" in first
    assert "name another one in HOST" in first
    assert second.startswith("rabbitmq  ok")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "amqp://"])
def test_doctor_refuses_what_is_no_url_of_a_broker(url: str) -> None:
    done = chat_here("doctor", "-b", "rabbitmq", url)
    assert done.returncode == 2
    assert "is no address" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "advice"),
    [
        (("send", "-b", "rabbitmq", "--server", NOWHERE, "x"), {}, "or leave --server out"),
        (("send", "-b", "rabbitmq", "x"), {"CHAT_AMQP_URL": NOWHERE}, "or unset CHAT_AMQP_URL"),
        (("serve", "tcp", "--log", NOWHERE), {}, "or leave --log out"),
        (("serve", "tcp", "--broker"), {"CHAT_AMQP_URL": NOWHERE}, "or unset CHAT_AMQP_URL"),
        (("doctor", NOWHERE), {}, "or leave HOST out"),
        (("doctor", "-b", "rabbitmq"), {"CHAT_AMQP_URL": NOWHERE}, "or unset CHAT_AMQP_URL"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_advice_names_what_has_named_the_broker(
    arguments: tuple[str, ...], environment: dict[str, str], advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.cli.talk.GIVE_UP", 0.1)
    done = chat_here(*arguments, **environment)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert f"no broker listens on 127.0.0.1:9: start one (docker compose up -d rabbitmq), {advice}" in said
