"""Where a ticket stands in its own system, and tickets that go on as another one.

A ticket that was merged keeps its row, its files, its links and its key; what is said of it is from then on what is
said of the one it went into, so that both are kept as long. Nothing is moved and nothing sealed anew.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from domain.actor import EVERYTHING
from domain.errors import BadInput
from domain.ticket import Standing, Ticket
from storage.records import Unit
from tickets.dates import Dates
from tickets.desk import SourceTicket

LONGEST = 20
"""Merges followed from one ticket to the next: more is a circle."""


class Following:
    """Works in the caller's transaction. Safe from any thread."""

    def __init__(self, dates: Dates) -> None:
        self._dates = dates

    def find(self, unit: Unit, connector: str, source: SourceTicket) -> Ticket | None:
        """The ticket a system speaks of: the one bound to its id, or one of that name that is bound to nothing yet.
        Raises BadInput where the name is another one's."""
        known = unit.tickets.by_source(connector, source.id)
        if known is not None:
            return known
        named = unit.tickets.get(source.fact.ref, EVERYTHING)
        if named is not None and named.source_id is not None:
            raise BadInput("Another ticket has this name already.", field="ref")
        return named

    def placed(self, unit: Unit, ticket: Ticket, source: SourceTicket, now: datetime) -> Ticket:
        """The ticket bound to its system, standing where that says it does."""
        merged = source.standing is Standing.MERGED
        whole = self._end(unit, ticket, source.merged_into) if merged and source.merged_into is not None else None
        was_away = ticket.standing is source.standing or {ticket.standing, source.standing} == {
            Standing.TRASHED,
            Standing.GONE,
        }
        since = ticket.standing_since if was_away and ticket.standing_since is not None else now
        return replace(
            ticket,
            source_id=source.id,
            source_version=max(source.version, ticket.source_version or 0),
            standing=source.standing,
            standing_since=None if source.standing is Standing.PRESENT else since,
            merged_source_id=source.merged_into if merged else None,
            merged_into=None if whole is None else whole.id,
        )

    def following(self, unit: Unit, ticket: Ticket) -> Ticket:
        """The ticket with the facts of the one it was merged into, where it was and that one is known."""
        whole = None if ticket.merged_into is None else unit.tickets.by_id(ticket.merged_into, EVERYTHING)
        return ticket if whole is None else _as(ticket, whole)

    def lead(self, unit: Unit, ticket: Ticket) -> None:
        """Let every ticket that goes on as this one say what it says now; also those that waited for it to be known,
        and where it went on itself, those that followed it."""
        whole = ticket if ticket.merged_into is None else unit.tickets.by_id(ticket.merged_into, EVERYTHING)
        if whole is None:
            return
        found = {one.id: one for one in unit.tickets.followers(ticket.id)}
        if ticket.connector is not None and ticket.source_id is not None:
            found |= {one.id: one for one in unit.tickets.merged_here(ticket.connector, ticket.source_id)}
        for one in found.values():
            if one.id == whole.id or one.erased_at is not None:
                continue
            follower = self._dates.judged(unit, _as(replace(one, merged_into=whole.id), whole))
            if follower != one:
                unit.tickets.put(replace(follower, version=one.version + 1))
                for next_one in unit.tickets.followers(one.id):  # they followed it here
                    if next_one.id != whole.id and next_one.erased_at is None:
                        joined = self._dates.judged(unit, _as(replace(next_one, merged_into=whole.id), whole))
                        unit.tickets.put(replace(joined, version=next_one.version + 1))

    def seen(self, unit: Unit, ticket: Ticket, at: datetime) -> None:
        """Its system was asked about it, and had nothing new."""
        unit.tickets.seen(ticket.id, at)

    def _end(self, unit: Unit, ticket: Ticket, source_id: str) -> Ticket | None:
        """The ticket that another one's merges end in; None: not known yet, or a circle."""
        if ticket.connector is None:
            return None
        whole = unit.tickets.by_source(ticket.connector, source_id)
        for _ in range(LONGEST):
            if whole is None or whole.id == ticket.id:
                return None
            if whole.merged_into is None:
                return whole
            whole = unit.tickets.by_id(whole.merged_into, EVERYTHING)
        return None


def _as(ticket: Ticket, whole: Ticket) -> Ticket:
    return replace(
        ticket,
        status=whole.status,
        organisation_id=whole.organisation_id,
        opened_at=whole.opened_at,
        last_activity_at=max(ticket.last_activity_at, whole.last_activity_at),
        closed_at=whole.closed_at,
        channel=whole.channel,
        tags=whole.tags,
        standing=Standing.MERGED if whole.standing is Standing.PRESENT else whole.standing,
        standing_since=ticket.standing_since if whole.standing is Standing.PRESENT else whole.standing_since,
    )
