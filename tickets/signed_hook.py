"""Webhooks that are signed, by a keyed digest of the raw body. What they say is a hint all the same (S-66)."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.errors import BadInput, LoginRequired
from tickets.answers import body_of
from tickets.desk import Delivery, Hint
from tickets.secret_hook import any_of

TOLERANCE = timedelta(minutes=5)
"""How far a signed time may be from ours, either way."""
_LONGEST_KEY = 200

Read = Callable[[Mapping[str, Any]], str | None]
"""The ticket that a body is about, None where it names none."""


class HubHook:
    """``X-Hub-Signature: sha256=…``, in hexadecimal. ``key_header``: where the system numbers its deliveries."""

    def __init__(self, secrets: Sequence[str], *, digest: str, read: Read, key_header: str) -> None:
        self._secrets = tuple(secrets)
        self._digest = digest
        self._read = read
        self._key_header = key_header

    def hint(self, delivery: Delivery) -> Hint:
        """As ``Hook.hint``."""
        wanted = [
            f"{self._digest}={hmac.digest(secret.encode(), delivery.body, self._digest).hex()}"
            for secret in self._secrets
        ]
        if not any_of(delivery.headers.get("x-hub-signature", "").lower(), wanted):
            raise LoginRequired
        ticket_id = self._read(body_of(delivery.body))
        if ticket_id is None:
            raise BadInput("No ticket is named in this.")
        return Hint(ticket_ids=(ticket_id,), key=key_in(delivery, self._key_header))


class TimedHook:
    """Base64 of a digest over the time, without anything between, and the body; the time in a header (Zendesk)."""

    def __init__(
        self, secrets: Sequence[str], *, signature_header: str, time_header: str, read: Read, key_header: str
    ) -> None:
        self._secrets = tuple(secrets)
        self._signature_header = signature_header
        self._time_header = time_header
        self._read = read
        self._key_header = key_header

    def hint(self, delivery: Delivery) -> Hint:
        """As ``Hook.hint``."""
        written = delivery.headers.get(self._time_header, "")
        signed = written.encode(errors="surrogateescape") + delivery.body
        wanted = [b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode() for secret in self._secrets]
        genuine = any_of(delivery.headers.get(self._signature_header, ""), wanted)
        if not genuine or not is_fresh(_instant(written), delivery.received_at):
            raise LoginRequired
        ticket_id = self._read(body_of(delivery.body))
        if ticket_id is None:
            raise BadInput("No ticket is named in this.")
        return Hint(ticket_ids=(ticket_id,), key=key_in(delivery, self._key_header))


def is_fresh(said: datetime | None, received_at: datetime) -> bool:
    """Whether a signed time is near enough to when it came."""
    return said is not None and abs(received_at - said) <= TOLERANCE


def key_in(delivery: Delivery, header: str) -> str | None:
    """What tells a delivery from another one; None where nothing does."""
    found = delivery.headers.get(header, "").strip()
    return found if 0 < len(found) <= _LONGEST_KEY else None


def _instant(written: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
