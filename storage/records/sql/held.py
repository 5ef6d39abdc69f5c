"""Whether a hold keeps a ticket, as a term of SQL: its own hold, that of the ticket it was merged into, or its
organisation's, in force."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select

from storage.records.schema.core import holds, tickets

_on_ticket = holds.alias("holds_on_ticket")
_on_whole = holds.alias("holds_on_whole")
_on_organisation = holds.alias("holds_on_organisation")

# Three probes, each of its own partial index, instead of one that would have to read the holds.
IS_HELD: ColumnElement[bool] = or_(
    select(_on_ticket.c.id).where(_on_ticket.c.ticket_id == tickets.c.id, _on_ticket.c.released_at.is_(None)).exists(),
    select(_on_whole.c.id)
    .where(_on_whole.c.ticket_id == tickets.c.merged_into, _on_whole.c.released_at.is_(None))
    .exists(),
    select(_on_organisation.c.id)
    .where(_on_organisation.c.organisation_id == tickets.c.organisation_id, _on_organisation.c.released_at.is_(None))
    .exists(),
)
