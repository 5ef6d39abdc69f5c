"""Webhooks of systems that sign nothing: a secret in a header, and a body that says which ticket to look at (S-67)."""

from __future__ import annotations

from collections.abc import Sequence

from crypto import same
from domain.errors import BadInput, LoginRequired
from tickets.answers import body_of, number
from tickets.desk import Delivery, Hint

HEADER = "x-bilaga-secret"


def any_of(given: str, wanted: Sequence[str]) -> bool:
    """Whether it is one of those; every one is compared, so that the time taken does not tell which."""
    return sum(same(given, one) for one in wanted) > 0


class SecretHook:
    """``{"ticket": 12}``. ``secrets``: any of them will do."""

    def __init__(self, secrets: Sequence[str], header: str = HEADER, field: str = "ticket") -> None:
        self._secrets = tuple(secrets)
        self._header = header.lower()
        self._field = field

    def hint(self, delivery: Delivery) -> Hint:
        """As ``Hook.hint``."""
        if not any_of(delivery.headers.get(self._header, ""), self._secrets):
            raise LoginRequired
        ticket = number(body_of(delivery.body).get(self._field))
        if not ticket:
            raise BadInput("No ticket is named in this.")
        return Hint(ticket_ids=(str(ticket),))
