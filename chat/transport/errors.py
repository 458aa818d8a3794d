"""Error texts about connections: there is none, or it broke, or the peer speaks something else.

They are for the user: what happened, to what, and what to do next.
"""

from __future__ import annotations

from chat.interfaces.address import Address, is_loopback
from chat.language import N_

_PROOF = N_("then give --ca or --fingerprint")
_ELSEWHERE = N_("another technique may listen there (chat techniques shows the ports)")


def no_answer(address: Address) -> str:
    """Return the text for a peer that has not answered at all."""
    if is_loopback(address.host):
        return N_(f"no answer from {address}: the program that listens there is stopped or stuck")
    return N_(
        f"no answer from {address}: a firewall, or the network does not let its clients reach each other"
    )


def connection_refused(address: Address, error: OSError) -> str:
    """Return why there is no connection, and what to do."""
    if isinstance(error, ConnectionRefusedError):
        return N_(f"nothing listens on {address}: start a server there with chat serve")
    if isinstance(error, TimeoutError):
        return no_answer(address)
    return N_(f"cannot reach {address}: {error.strerror or error}")


def silent(address: Address) -> str:
    """Return the text for a peer that accepts the connection and sends nothing."""
    return N_(
        f"{address} accepted the connection but does not answer: {_ELSEWHERE}, or it is stopped or stuck"
    )


def closed_without_a_word(address: Address) -> str:
    """Return the text for a connection that was closed before an answer came."""
    return N_(f"{address} closed the connection without an answer: {_ELSEWHERE}, or it speaks TLS ({_PROOF})")


def connection_broke(error: Exception | None) -> str:
    """Return the text for a connection that ended after it was in use."""
    if error is None:
        return N_("the server closed the connection")
    reason = getattr(error, "strerror", None) or error
    return N_(f"the connection broke: {reason}")


def beyond_the_log(seen: int, head: int) -> str:
    """Return the text for an event with a seq that the room has not reached."""
    return N_(
        f"an event {seen} came, and the room has {head}: its number was damaged, or the log has lost it"
    )


def not_our_words(address: Address, technique: str, why: object = "") -> str:
    """Return the text for a peer that speaks another protocol."""
    if reason := str(why):
        return N_(f"what listens at {address} does not speak {technique} ({reason}): {_ELSEWHERE}")
    return N_(f"what listens at {address} does not speak {technique}: {_ELSEWHERE}")


def handshake_failed(host: str, error: Exception) -> str:
    """Return why there is no encrypted connection, and what to do."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return not_trusted(host, error.verify_message.rstrip("."))
    return no_tls(host)


def not_trusted(host: str, why: str = "") -> str:
    return N_(
        f"the certificate of {host} is not trusted{why and f' ({why})'}: give --ca the certificate of the "
        "authority that signed it, or --fingerprint, and take the address that it was issued for"
    )


def other_fingerprint(host: str, found: str, wanted: str) -> str:
    """Return the text for a server whose certificate is not the one that the user has named."""
    return N_(
        f"{host} has another certificate: its fingerprint is {found}, not {wanted}: compare it with what the "
        "server's owner sees (chat status); if theirs is another one, somebody is between you and the server"
    )


def needs_trust(address: Address, scheme: str) -> str:
    """Return the text for a URL that means TLS, where it is not known whom to trust."""
    return N_(f"{scheme}:// at {address} is encrypted: say whom to trust, with --ca FILE or --fingerprint")


def needs_no_trust(address: Address, scheme: str) -> str:
    """Return the text for a URL that means no TLS, where somebody is to be trusted."""
    return N_(
        f"{scheme}:// at {address} is not encrypted: leave out --ca and --fingerprint, "
        f"or name the broker with {address.named_by or '--server'} {scheme}s://..."
    )


def no_tls(host: str) -> str:
    return N_(
        f"{host} does not speak TLS: leave out --ca or --fingerprint, or start the server with --tls auto"
    )
