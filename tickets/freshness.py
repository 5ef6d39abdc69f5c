"""Whether what is known of a ticket is young enough to erase anything by (S-69)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from domain.actor import EVERYTHING
from domain.clock import Clock
from domain.errors import FactsStale
from domain.ticket import Ticket
from storage.records import Unit

OLDEST = timedelta(hours=24)


class Freshness:
    """``asks``: whether the connector of a name has an API. The word of one that has none counts until it says
    something else, as that of whoever puts tickets by hand does."""

    def __init__(self, asks: Callable[[str], bool], clock: Clock) -> None:
        self._asks = asks
        self._clock = clock

    def check(self, unit: Unit, ticket: Ticket) -> None:
        """To be asked in the transaction of the claim. Raises FactsStale where the ticket's system was not asked about
        it, and about organisations and their contracts, within the last day."""
        if ticket.connector is None or ticket.source_id is None or not self._asks(ticket.connector):
            return
        since = self._clock() - OLDEST
        row = unit.connectors.get(ticket.connector)
        if row is None or not (_within(row.polled_at, since) and _within(row.organisations_at, since)):
            raise FactsStale("Its ticket system was not read within the last day.", connector=ticket.connector)
        spoken_for = ticket
        if ticket.merged_into is not None:
            spoken_for = unit.tickets.by_id(ticket.merged_into, EVERYTHING) or ticket
        if spoken_for.facts_at < since:
            raise FactsStale(
                "Its ticket system was not asked about it within the last day.", connector=ticket.connector
            )


def _within(at: datetime | None, since: datetime) -> bool:
    return at is not None and at >= since
