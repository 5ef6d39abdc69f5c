"""A ticket's row before and after its state and its times were said: no people, no rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from domain.ids import TicketId
from domain.ticket import Ticket, TicketStatus
from tickets.checks import check_channel, check_connector, check_instant, check_tags
from tickets.said import TicketFact, said


def blank(ticket_id: TicketId, ref: str, now: datetime) -> Ticket:
    """A ticket of which nothing is known but its name."""
    return Ticket(
        id=ticket_id,
        ref=ref,
        organisation_id=None,
        status=TicketStatus.OPEN,
        subject_sealed=None,
        requester_email_sealed=None,
        requester_email_digest=None,
        requester_name_sealed=None,
        opened_at=None,
        last_activity_at=now,
        closed_at=None,
        channel=None,
        facts_at=now,
        retention_class="",
        retention_rule="",
        purge_due_at=None,
        created_at=now,
        erased_at=None,
        version=1,
    )


def erased_blank(ticket: Ticket, now: datetime) -> Ticket:
    """A ticket that was erased, as it begins anew: its name, and which one of its system it is."""
    return replace(
        blank(ticket.id, ticket.ref, now),
        created_at=ticket.created_at,
        connector=ticket.connector,
        source_id=ticket.source_id,
        source_version=ticket.source_version,
    )


def plain(ticket: Ticket, fact: TicketFact, now: datetime) -> Ticket:
    """The ticket with what was said about its state and its times. Raises BadInput."""
    opened_at = said(fact.opened_at, ticket.opened_at)
    active_at = said(fact.last_activity_at, None) or ticket.last_activity_at
    channel = said(fact.channel, ticket.channel)
    status = said(fact.status, ticket.status)
    tags = said(fact.tags, ticket.tags)
    connector = said(fact.connector, ticket.connector)
    closed_at = said(fact.closed_at, None)
    if closed_at is None and status is TicketStatus.CLOSED:
        closed_at = ticket.closed_at or now
    return replace(
        ticket,
        status=status,
        opened_at=None if opened_at is None else check_instant(opened_at, "opened_at"),
        last_activity_at=check_instant(active_at, "last_activity_at"),
        closed_at=None if closed_at is None else check_instant(closed_at, "closed_at"),
        channel=None if channel is None else check_channel(channel),
        tags=() if tags is None else check_tags(tags),
        connector=None if connector is None else check_connector(connector),
    )
