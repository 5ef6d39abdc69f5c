"""Instants: always aware, always UTC, passed in and never fetched by the code that decides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present instant, aware, in UTC."""


def system_clock() -> datetime:
    """The machine's clock; handed out by ``server.py`` and nowhere called directly below it."""
    return datetime.now(UTC)


def rfc3339(at: datetime) -> str:
    """An instant as RFC 3339 in UTC, ``2026-11-24T11:00:00Z``; microseconds only where there are any."""
    if at.tzinfo is None:
        raise ValueError("a naive time has no meaning here")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """An RFC 3339 instant. Raises ValueError where the text is no instant or names no zone."""
    if len(text) < 20 or text[10] not in "Tt ":
        raise ValueError("not an RFC 3339 instant")
    at = datetime.fromisoformat(text.replace("z", "Z"))
    if at.tzinfo is None:
        raise ValueError("the zone is missing")
    return at.astimezone(UTC)
