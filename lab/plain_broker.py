"""The brokers that demo and benchmarks use: nobody says there whom to trust, so one with TLS is none."""

from __future__ import annotations

from chat.domain.errors import ChatError
from chat.interfaces.address import Address


def without_tls(address: Address) -> Address:
    """Return the address of a broker. Raises `ChatError` if it is reached with TLS."""
    if address.encrypted:
        raise ChatError(
            f"demo and bench use no broker with TLS, as {address} is: "
            f"name another one with {address.named_by or '--server'}, or none"
        )
    return address
