"""Which addresses may be connected to for a ticket system (S-68): public ones, and those an administrator named.

What is looked at is the address a connection goes to, never a name; one that carries an IPv4 address in it counts as
that one too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from domain.errors import Misconfigured

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# What no network of an administrator's opens: nothing of a ticket system's is there, but a cloud's credentials are.
_NEVER = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "169.254.0.0/16",
            "168.63.129.16/32",
            "192.0.0.192/32",
            "100.100.100.200/32",
            "224.0.0.0/3",
            "::/128",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
            "fd00:ec2::/32",
            "2001::/32",
        ),
    )
)
# Loopback, private, CGNAT and what else is nobody's on the internet; said here, as Python's own list changes.
_INNER = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "::1/128",
            "64:ff9b:1::/48",
            "100::/64",
            "2001:db8::/32",
            "fc00::/7",
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


class Reach:
    """``networks``: inner ones that may be reached as well. ``loopback``: whether this machine may be."""

    def __init__(self, networks: Sequence[str | Network] = (), *, loopback: bool = False) -> None:
        """Raises Misconfigured for what is no network."""
        try:
            named = [network if isinstance(network, Network) else ip_network(network) for network in networks]
        except ValueError as error:
            raise Misconfigured("networks: each must be a network such as 10.0.0.0/8", field="networks") from error
        self._opened = (*named, *(_LOOPBACK if loopback else ()))

    def allows(self, address: str) -> bool:
        """Whether an address, as the resolver or a socket tells it, may be connected to."""
        try:
            at = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return all(self._is_open(one) for one in _meant(at))

    def _is_open(self, at: Address) -> bool:
        if _within(at, _NEVER):
            return False
        return not _within(at, _INNER) or _within(at, self._opened)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return all(_within(one, _LOOPBACK) for one in _meant(ip_address(address.partition("%")[0])))
    except ValueError:
        return False


def _within(at: Address, networks: Sequence[Network]) -> bool:
    return any(at.version == network.version and at in network for network in networks)


def _meant(at: Address) -> Iterator[Address]:
    """The address, or the IPv4 one that a mapped one is; of one that carries another to a gateway, both."""
    if isinstance(at, IPv4Address):
        yield at
        return
    if at.ipv4_mapped is not None:
        yield at.ipv4_mapped
        return
    yield at
    if at.sixtofour is not None:
        yield at.sixtofour
    elif at in _NAT64 or (at in _COMPATIBLE and int(at) > 1):
        yield IPv4Address(int(at) & 0xFFFFFFFF)
