"""Stores of tickets and organisations. Every read takes the caller's Scope and applies it in SQL (S-59)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.actor import Scope
from domain.ids import OrganisationId, TicketId
from domain.ticket import Organisation, Ticket, TicketStatus


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """What a list of tickets is narrowed to; None: not narrowed. ``due_before`` is exclusive."""

    organisation_id: OrganisationId | None = None
    status: TicketStatus | None = None
    due_before: datetime | None = None
    held: bool | None = None
    requester_email_digest: bytes | None = None


class SourceTickets(Protocol):
    """Tickets' rows as their own systems know them."""

    def by_source(self, connector: str, source_id: str) -> Ticket | None:
        """The ticket that a connector speaks for under that id of its system."""
        ...

    def of_connector(self, connector: str, *, limit: int) -> Sequence[Ticket]:
        """Tickets that a connector speaks for."""
        ...

    def merged_here(self, connector: str, source_id: str) -> Sequence[Ticket]:
        """Tickets of a system that were merged into the one of that id, also where that one was not known."""
        ...

    def followers(self, ticket_id: TicketId) -> Sequence[Ticket]:
        """Tickets that go on as this one."""
        ...

    def seen(self, ticket_id: TicketId, at: datetime) -> None:
        """Its system was asked, and its facts are what they were; never an earlier instant than known."""
        ...

    def unseen(self, connector: str, before: datetime, *, limit: int) -> Sequence[Ticket]:
        """A connector's tickets that are not erased and about which it was not asked since, longest ago first."""
        ...

    def due_unseen(self, connector: str, now: datetime, before: datetime, *, limit: int) -> Sequence[Ticket]:
        """Those of ``unseen`` that are due at ``now``, the longest due first."""
        ...


class Tickets(SourceTickets, Protocol):
    """Tickets' rows; ``ref`` is unique."""

    def put(self, ticket: Ticket) -> None:
        """Insert, or replace the row of the same id if its version is ``ticket.version - 1``. Raises StateConflict."""
        ...

    def get(self, ref: str, scope: Scope) -> Ticket | None:
        """The ticket of that outside name, if the scope sees it."""
        ...

    def by_id(self, ticket_id: TicketId, scope: Scope) -> Ticket | None:
        """The ticket of that id, if the scope sees it."""
        ...

    def page(self, what: TicketFilter, scope: Scope, *, after: TicketId | None, limit: int) -> Sequence[Ticket]:
        """Up to ``limit`` tickets in the order of their ids, beginning after one."""
        ...

    def of_organisation(
        self, organisation_id: OrganisationId, *, after: TicketId | None, limit: int
    ) -> Sequence[Ticket]:
        """An organisation's tickets in the order of their ids: what a change of its facts touches."""
        ...

    def expired(self, now: datetime, *, limit: int) -> Sequence[Ticket]:
        """Tickets due at ``now``, not held, with no attachment left but tombstones, and not erased yet."""
        ...


class Organisations(Protocol):
    """Organisations' rows; ``ref`` is unique."""

    def put(self, organisation: Organisation) -> None:
        """Insert, or replace the row of the same id."""
        ...

    def get(self, ref: str, scope: Scope) -> Organisation | None:
        """The organisation of that outside name, if the scope sees it (a contact sees its own only)."""
        ...

    def by_id(self, organisation_id: OrganisationId, scope: Scope) -> Organisation | None:
        """The organisation of that id, if the scope sees it."""
        ...

    def page(self, scope: Scope, *, after: OrganisationId | None, limit: int) -> Sequence[Organisation]:
        """Up to ``limit`` organisations in the order of their ids."""
        ...
