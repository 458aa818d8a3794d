"""REST: rooms, seats and messages as resources, with the methods of HTTP."""

from __future__ import annotations

from urllib.parse import urlsplit

from chat.interfaces.settings import Setting
from chat.interfaces.technique import Need, Technique, Traits
from chat.transport.polling import POLL
from chat.transport.public_url import PROXIES


def read_origins(text: str) -> frozenset[str]:
    """Read a list of origins: ``http://localhost:5173,https://chat.example``; an empty text is none.

    Raises ValueError, with a text for the user.
    """
    origins = frozenset(part.strip().lower() for part in text.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        whole = parts.scheme in ("http", "https") and parts.netloc
        if not whole or origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"{origin!r} is not an origin: write http://HOST[:PORT] or https://HOST[:PORT]")
    return origins


TECHNIQUE = Technique(
    name="rest",
    title="REST (HTTP and JSON)",
    family="rest",
    summary="resources and HTTP's verbs; works with curl; new events need polls",
    traits=Traits(
        push=False,
        ordered=True,
        lossless=True,
        resend=True,
        stores="server",
        contract="backends/rest/openapi.json",
        encoding="text",
        encrypted=False,
    ),
    port=8000,
    tls=True,
    client="backends.rest.client:RestClient",
    server="backends.rest.server:RestServer",
    decoder="backends.rest.decoder:make_decoder",
    watcher="backends.rest.watcher:RestWatcher",
    by_hand="backends.rest.by_hand:command",
    dissected_at=80,
    needs=(Need("fastapi", "pip install fastapi"), Need("httpx", "pip install httpx")),
    aliases=("http",),
    settings=(
        POLL,
        PROXIES,
        Setting(
            "cors",
            "origins whose web pages may call the server, e.g. http://localhost:5173",
            metavar="ORIGIN[,ORIGIN]",
            check=read_origins,
            client=False,
            server=True,
        ),
    ),
)
