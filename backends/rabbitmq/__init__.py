"""RabbitMQ: no server of ours; the clients publish to an exchange, and read a stream that remembers."""

from __future__ import annotations

from chat.interfaces.settings import SWITCH, Setting
from chat.interfaces.technique import Need, Technique, Traits

TECHNIQUE = Technique(
    name="rabbitmq",
    title="RabbitMQ",
    family="broker",
    summary="a fanout exchange and a stream; the broker is the server",
    traits=Traits(
        push=True,
        ordered=True,
        lossless=True,
        resend=True,
        stores="broker",
        contract="docs/protocol.md",
        encoding="binary",
        encrypted=False,
    ),
    port=5672,
    client="backends.rabbitmq.client:RabbitClient",
    server=None,
    decoder="backends.rabbitmq.decoder:make_decoder",
    by_hand="backends.rabbitmq.by_hand:command",
    dissected_at=5672,
    aliases=("amqp",),
    needs=(Need("pika", "pip install pika"),),
    settings=(
        Setting(
            "mode",
            "read the room's stream, or only what the exchange copies into a queue of your own",
            ("stream", "fanout"),
        ),
        Setting("explain", "say why a message of the room's stream is passed over", SWITCH),
    ),
    tls=True,
    schemes=("amqp", "amqps"),
    broker="backends.rabbitmq.broker:find",
    log="backends.rabbitmq.log:StreamLog",
)
