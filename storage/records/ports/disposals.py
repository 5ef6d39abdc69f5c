"""Stores of what is due, of holds, and of certificates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from domain.actor import Scope
from domain.disposal import Certificate, DueItem, Hold
from domain.ids import AttachmentId, CertificateId, HoldId, OrganisationId, PrincipalId, TicketId


class Disposals(Protocol):
    """Attachments whose ticket's time is up, by the index on tickets' ``purge_due_at``."""

    def due(
        self,
        before: datetime,
        scope: Scope,
        *,
        after: tuple[datetime, AttachmentId] | None,
        limit: int,
        held: bool | None,
    ) -> Sequence[DueItem]:
        """Live attachments due at or before an instant, in order of due_at, ticket and attachment, beginning after a
        pair (due_at, attachment id); ``held`` narrows to those a hold keeps, or to those none keeps."""
        ...

    def due_count(self, before: datetime) -> int:
        """How many live attachments are due and kept by no hold."""
        ...

    def item(self, attachment_id: AttachmentId) -> DueItem | None:
        """The attachment's due date and whether it is held, as of this transaction; None: kept while the contract
        runs, or not live."""
        ...


class Holds(Protocol):
    """Legal holds. A ticket is held by its own hold or by its organisation's."""

    def add(self, hold: Hold) -> None:
        """Place a hold. Raises StateConflict where that ticket or organisation has a hold of its own already."""
        ...

    def release(self, hold_id: HoldId, *, at: datetime, by: PrincipalId | None, reason_sealed: bytes | None) -> bool:
        """End a hold; False where it had ended."""
        ...

    def on_ticket(self, ticket_id: TicketId) -> Sequence[Hold]:
        """Holds in force on a ticket, its organisation's among them."""
        ...

    def on_organisation(self, organisation_id: OrganisationId) -> Hold | None:
        """The hold in force on an organisation."""
        ...

    def held(self, ticket_id: TicketId) -> bool:
        """Whether any hold keeps the ticket now."""
        ...

    def in_force(self, *, after: HoldId | None, limit: int) -> Sequence[Hold]:
        """All holds in force, in the order of their ids."""
        ...

    def by_review(self, before: date | None, *, after: tuple[date, HoldId] | None, limit: int) -> Sequence[Hold]:
        """Holds in force in the order of their day of review and of their ids, beginning after a pair (review_on, id);
        ``before`` narrows to those whose day is before another."""
        ...

    def count_review(self, before: date) -> int:
        """How many holds in force have a day of review before another."""
        ...


class Certificates(Protocol):
    """Certificates of purges; one attachment has one at the most."""

    def add(self, certificate: Certificate) -> None:
        """Keep a certificate."""
        ...

    def get(self, certificate_id: CertificateId) -> Certificate | None:
        """A certificate."""
        ...

    def of_attachment(self, attachment_id: AttachmentId) -> Certificate | None:
        """The certificate of an attachment's purge."""
        ...

    def page(self, *, after: CertificateId | None, limit: int) -> Sequence[Certificate]:
        """Certificates in the order of their ids."""
        ...
