"""What the addresses of key managers (``KEYS_URL``) have in common."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import parse_qsl

from domain.errors import Misconfigured


def misconfigured(what: str) -> Misconfigured:
    """The address is wrong; ``what`` says how, without quoting it: somebody may have put a token in it."""
    return Misconfigured(f"KEYS_URL: {what}", field="KEYS_URL")


def asked_in(query: str, known: frozenset[str], scheme: str) -> Mapping[str, str]:
    """What an address asks for behind its question mark. Raises Misconfigured for a name that the scheme has not."""
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if not known.issuperset(asked):
        raise misconfigured(f"{scheme}:// takes {', '.join(sorted(known))} and nothing else behind its question mark")
    return asked


def is_loopback(host: str) -> bool:
    """Whether a host's name or address never leaves this machine: the only place for keys without TLS."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
