"""What a technique is: its label and what it promises.

A backend is a folder in `backends/` whose ``__init__`` holds one `Technique` and imports no
third-party library; those come when `Technique.load_client` or `load_server` is called.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, cast

from chat.domain.errors import ChatError
from chat.interfaces.address import TLS_PORTS
from chat.interfaces.broker import FindBroker
from chat.interfaces.client import ChatClient
from chat.interfaces.server import ChatServer
from chat.interfaces.settings import Setting

if TYPE_CHECKING:
    from chat.interfaces.frames import FrameDecoder
    from chat.interfaces.watcher import Watcher


ByHand = Callable[[str, int, str, str], str]
"""Is called with host, port, room and text; returns a command for a POSIX shell, without TLS and token."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What the technique promises. The contract suite measures each of them."""

    push: bool
    """The server sends events by itself; else the client polls."""
    ordered: bool
    """Events arrive in the room's order."""
    lossless: bool
    """No event is lost while the connection lasts."""
    resend: bool
    """The session sends unacknowledged drafts again after a reconnect."""
    stores: Literal["server", "broker"]
    """The program that keeps the room's log."""
    contract: str
    """Where the messages are defined: an IDL file, or the page of the protocol."""
    encoding: Literal["text", "binary"]
    """text: every byte on the wire is printable UTF-8, headers and framing too. binary: some are not."""
    encrypted: bool
    """By default the text of a message can be read in neither direction. Masking is no encryption."""
    transport: Literal["tcp", "udp"] = "tcp"
    """What carries the bytes by default."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that must be installed for the technique to run."""

    what: str
    """A module (``kind="module"``) or a program on the path (``kind="program"``)."""
    install: str
    """The command that installs it."""
    kind: Literal["module", "program"] = "module"

    def met(self) -> bool:
        if self.kind == "program":
            return shutil.which(self.what) is not None
        return find_spec(self.what) is not None


@dataclass(frozen=True, slots=True)
class Technique:
    """The label of a backend: everything that the rest of the program knows about it."""

    name: str
    title: str
    family: Literal["sockets", "rpc", "broker", "rest", "soap"]
    summary: str
    """One line for the picker: what is special about the technique."""
    traits: Traits
    port: int
    client: str
    """Import string of the `ChatClient`, e.g. ``backends.tcp.client:TcpClient``."""
    server: str | None
    """Import string of the `ChatServer`; None where a broker is the server."""
    decoder: str
    """Import string of what returns a `FrameDecoder` for a connection; called with ``tcp`` or ``udp``."""
    by_hand: str
    """Import string of a `ByHand`: a message as the command that would send it."""
    watcher: str = ""
    """Import string of a `Watcher`, which reads a room without a seat; "": there is none."""
    dissected_at: int | None = None
    """The port at which Wireshark looks for its protocol by itself; None: it knows none."""
    aliases: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    tls: bool = False
    """It can be encrypted: its server, if it is ours, takes an `Identity`, and its client a `Trust`."""
    several: bool = False
    """A client may be given several addresses, and uses one that works."""
    spreads: bool = False
    """All that a client does goes over one connection, so several workers may listen at the port."""
    settings: tuple[Setting, ...] = ()
    schemes: tuple[str, ...] = ()
    """URL schemes of its server, and of the log that its broker keeps: ``amqp://user:password@host:port/vhost``."""
    broker: str | None = None
    """If a broker is the server: import string of a `FindBroker`."""
    log: str | None = None
    """Import string of a `Log` that the broker keeps; it is called with (URL, clock=, trust=)."""

    def port_for(self, *, encrypted: bool) -> int:
        """Return the port at which its servers usually are."""
        ports = [TLS_PORTS[scheme] for scheme in self.schemes if scheme in TLS_PORTS]
        return ports[0] if encrypted and ports else self.port

    def missing(self) -> list[Need]:
        """Return what is not installed here."""
        return [need for need in self.needs if not need.met()]

    def transport(self, settings: Mapping[str, str]) -> Literal["tcp", "udp"]:
        """Return what carries the bytes of a client with these settings (by `Setting.name`)."""
        return "udp" if settings.get("transport", self.traits.transport) == "udp" else "tcp"

    @property
    def transports(self) -> tuple[Literal["tcp", "udp"], ...]:
        """What its server listens for."""
        both = any(setting.name == "transport" for setting in self.settings)
        return ("tcp", "udp") if both else (self.traits.transport,)

    def load_client(self) -> type[ChatClient]:
        return cast("type[ChatClient]", load(self.client))

    def load_broker(self) -> FindBroker:
        if self.broker is None:
            raise ChatError(f"{self.name} needs no broker")
        return cast("FindBroker", load(self.broker))

    def load_decoder(self) -> Callable[[Literal["tcp", "udp"]], FrameDecoder]:
        return cast('Callable[[Literal["tcp", "udp"]], FrameDecoder]', load(self.decoder))

    def load_by_hand(self) -> ByHand:
        return cast("ByHand", load(self.by_hand))

    def load_watcher(self) -> type[Watcher]:
        return cast("type[Watcher]", load(self.watcher))

    def load_server(self) -> type[ChatServer]:
        if self.server is None:
            raise ChatError(f"{self.name} has no server of ours: a broker is the server")
        return cast("type[ChatServer]", load(self.server))


def load(path: str) -> Any:
    """Import what an import string ``module:attribute`` names."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
