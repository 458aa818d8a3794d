"""SOAP: XML envelopes over HTTP, and a WSDL from which tools generate clients."""

from __future__ import annotations

from chat.interfaces.technique import Need, Technique, Traits
from chat.transport.polling import POLL
from chat.transport.public_url import PROXIES

TECHNIQUE = Technique(
    name="soap",
    title="SOAP (spyne, zeep)",
    family="soap",
    summary="XML envelopes, typed faults; clients are generated from the WSDL",
    traits=Traits(
        push=False,
        ordered=True,
        lossless=True,
        resend=True,
        stores="server",
        contract="wsdl/chat.wsdl",
        encoding="text",
        encrypted=False,
    ),
    port=8001,
    client="backends.soap.client:SoapClient",
    server="backends.soap.server:SoapServer",
    decoder="backends.soap.decoder:make_decoder",
    by_hand="backends.soap.by_hand:command",
    dissected_at=80,
    needs=(Need("spyne", "pip install spyne"), Need("zeep", "pip install zeep[async]")),
    aliases=("wsdl", "zeep"),
    tls=True,
    settings=(POLL, PROXIES),
)
