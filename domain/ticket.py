"""Tickets and organisations: what the ticket system told us, and what retention made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from domain.ids import OrganisationId, TicketId


class TicketStatus(StrEnum):
    """The contract's statuses of a ticket."""

    OPEN = "open"
    PENDING = "pending"
    CLOSED = "closed"


class Standing(StrEnum):
    """Where a ticket stands in its own system."""

    PRESENT = "present"
    SPAM = "spam"
    TRASHED = "trashed"
    """Deleted, and can come back."""
    MERGED = "merged"
    """Its life goes on under another number."""
    GONE = "gone"
    """Not there any more, for good."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A customer organisation. ``contract_ends_on`` None: the contract runs on, or its end is not known yet."""

    id: OrganisationId
    ref: str
    name: str | None
    contract_ends_on: date | None
    facts_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket's row. ``*_sealed`` are opaque here: sealed under the ticket's own key (``crypto``).

    ``purge_due_at`` None: kept while the contract runs. ``erased_at``: its personal data and its key are gone.
    ``facts_at``: as of when its facts are; of a ticket that a connector speaks for, when its system was last asked.
    """

    id: TicketId
    ref: str
    organisation_id: OrganisationId | None
    status: TicketStatus
    subject_sealed: bytes | None
    requester_email_sealed: bytes | None
    requester_email_digest: bytes | None
    requester_name_sealed: bytes | None
    opened_at: datetime | None
    last_activity_at: datetime
    closed_at: datetime | None
    channel: str | None
    facts_at: datetime
    retention_class: str
    retention_rule: str
    purge_due_at: datetime | None
    created_at: datetime
    erased_at: datetime | None
    version: int
    connector: str | None = None
    """The ticket system that speaks for it, by the name of its settings; None: whoever puts it."""
    source_id: str | None = None
    """Its id in that system."""
    source_version: int | None = None
    """Microseconds since 1970 of its last change there that is known here."""
    tags: tuple[str, ...] = ()
    standing: Standing = Standing.PRESENT
    standing_since: datetime | None = None
    """Since when it stands elsewhere than ``PRESENT``, as far as is known."""
    merged_source_id: str | None = None
    """The id, in its system, of the ticket it was merged into."""
    merged_into: TicketId | None = None
    """That ticket here, followed to the end; its facts are this one's too."""
