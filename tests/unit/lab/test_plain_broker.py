"""Demo and benchmarks go on without a broker that they could not verify."""

from __future__ import annotations

import pytest

from lab import demo


def test_the_demo_uses_no_broker_with_tls_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_AMQP_URL", "amqps://ann:secret@127.0.0.1:1")
    found, off = demo._brokers()
    assert found == {}
    assert off["rabbitmq"].startswith(
        "demo and bench use no broker with TLS, as 127.0.0.1:1 is: name another"
    )
    assert "CHAT_AMQP_URL" in off["rabbitmq"]
    assert "secret" not in off["rabbitmq"]
