"""Freshdesk's automation webhooks: a secret in a header, and a body that says which ticket to look at (S-67).

Freshdesk signs nothing. The body is a hint: *simple* content comes wrapped and with labels in the account's language,
*advanced* content is whatever an administrator typed. A ticket's number is taken from it and the rest is left alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from domain.errors import BadInput, LoginRequired
from tickets.desk import Delivery, Hint
from tickets.secret_hook import any_of

HEADER = "x-freshdesk-webhook-secret"
"""The usual name; the header is the administrator's to choose."""
_NUMBER = re.compile(r"#?([0-9]{1,18})")
_WRAPPING = ("freshdesk_webhook", "ticket", "data")
_NAMES = ("ticket_id", "id", "ticketId", "ticket.id")


class FreshdeskHook:
    """Reads them. ``secrets``: any of them will do, so that one can be changed without a gap."""

    def __init__(self, secrets: Sequence[str], header: str = HEADER) -> None:
        self._secrets = tuple(secrets)
        self._header = header.lower()

    def hint(self, delivery: Delivery) -> Hint:
        """Raises LoginRequired for a missing or wrong secret, BadInput for a body without a ticket's number."""
        given = delivery.headers.get(self._header, "")
        if not any_of(given, self._secrets):
            raise LoginRequired
        number = _ticket_in(_parsed(delivery))
        if number is None:
            raise BadInput("No ticket is named in this.")
        return Hint(ticket_ids=(number,))


def _parsed(delivery: Delivery) -> Mapping[str, Any]:
    """The body's fields. Raises BadInput."""
    kind = delivery.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(delivery.body.decode("ascii"), max_num_fields=200))
        found = json.loads(delivery.body)
    except (ValueError, RecursionError) as error:
        raise BadInput("This is no JSON: let the webhook send the ticket's number and nothing else.") from error
    if not isinstance(found, dict):
        raise BadInput("No ticket is named in this.")
    return found


def _ticket_in(fields: Mapping[str, Any], depth: int = 2) -> str | None:
    """The ticket's number, where it stands by itself or one wrapping further in."""
    for name in _NAMES:
        value = fields.get(name)
        if isinstance(value, bool):
            continue
        match = _NUMBER.fullmatch(str(value).strip()) if isinstance(value, int | str) else None
        if match and int(match[1]) > 0:
            return str(int(match[1]))
    for name in _WRAPPING if depth else ():
        inner = fields.get(name)
        if isinstance(inner, dict) and (found := _ticket_in(inner, depth - 1)) is not None:
            return found
    return None
