"""The client's address, believed from forwarding fields only when they come from a configured proxy (S-57)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

Network = IPv4Network | IPv6Network
FORWARDING = ("X-Forwarded-For", "Forwarded", "X-Real-IP")


class Addresses:
    """Reads addresses off requests."""

    def __init__(self, trusted: Sequence[Network], monitors: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._monitors = tuple(monitors)

    def client(self, request: web.Request) -> str:
        """The nearest address on the way in that is not one of our own proxies; ``unknown`` for a unix socket."""
        peer = _address(request.remote)
        if peer is None:
            return "unknown"
        if not _within(peer, self._trusted):
            return str(peer)
        hops = [part.strip() for value in request.headers.getall("X-Forwarded-For", []) for part in value.split(",")]
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                break
            peer = address
            if not _within(address, self._trusted):
                break
        return str(peer)

    def is_monitor(self, request: web.Request) -> bool:
        """Whether the request comes straight from a monitoring address; one that was forwarded never does."""
        peer = _address(request.remote)
        if peer is None or any(name in request.headers for name in FORWARDING):
            return False
        return _within(peer, self._monitors)


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address((text or "").split("%", 1)[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
