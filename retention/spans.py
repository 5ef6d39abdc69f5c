"""How a due date is found: a stretch of the calendar after one fact of a ticket or of its contract. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol
from zoneinfo import ZoneInfo

from domain.ticket import Organisation, Standing, Ticket, TicketStatus
from retention.period import Period, first_instant, same_time_on


class Span(Protocol):
    """One way to find a date."""

    basis: ClassVar[str]
    """The word the configuration uses for what the period counts from."""

    @property
    def period(self) -> Period:
        """How long."""
        ...

    @property
    def words(self) -> str:
        """The span in one line, as it is stored and shown: period, ``after``, and the fact's name."""
        ...

    def due_at(self, ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> datetime | None:
        """When the files go, in UTC; None: not as long as things are as they are. Raises OverflowError."""
        ...


@dataclass(frozen=True, slots=True)
class AfterContract:
    """Kept while the contract runs and for ``period`` after its last day, that day counted in full."""

    basis: ClassVar[str] = "contract"
    period: Period

    @property
    def words(self) -> str:
        return f"{self.period} after contract_ends_on"

    def due_at(self, ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> datetime | None:
        if organisation is None or organisation.contract_ends_on is None:
            return None
        return first_instant(self.period.after(organisation.contract_ends_on) + timedelta(days=1), zone)


@dataclass(frozen=True, slots=True)
class AfterLastActivity:
    """Kept for ``period`` after the ticket's last activity, to the same time of day in the site's zone."""

    basis: ClassVar[str] = "last-activity"
    period: Period

    @property
    def words(self) -> str:
        return f"{self.period} after last_activity_at"

    def due_at(self, ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> datetime | None:
        return same_time_on(ticket.last_activity_at, zone, self.period)


@dataclass(frozen=True, slots=True)
class AfterClosed:
    """Kept while the ticket is open and for ``period`` after it was closed, to the same time of day."""

    basis: ClassVar[str] = "closed"
    period: Period

    @property
    def words(self) -> str:
        return f"{self.period} after closed_at"

    def due_at(self, ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> datetime | None:
        if ticket.status is not TicketStatus.CLOSED or ticket.closed_at is None:
            return None
        return same_time_on(ticket.closed_at, zone, self.period)


@dataclass(frozen=True, slots=True)
class AfterOpened:
    """Kept for ``period`` after the ticket was opened, to the same time of day; where nobody said when, kept."""

    basis: ClassVar[str] = "opened"
    period: Period

    @property
    def words(self) -> str:
        return f"{self.period} after opened_at"

    def due_at(self, ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> datetime | None:
        return None if ticket.opened_at is None else same_time_on(ticket.opened_at, zone, self.period)


@dataclass(frozen=True, slots=True)
class AfterDeleted:
    """Kept for ``period`` after the ticket was deleted in its own system, to the same time of day; one that is there,
    or came back, is kept."""

    basis: ClassVar[str] = "deleted"
    period: Period

    @property
    def words(self) -> str:
        return f"{self.period} after deleted in its own system"

    def due_at(self, ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> datetime | None:
        if ticket.standing not in DELETED or ticket.standing_since is None:
            return None
        return same_time_on(ticket.standing_since, zone, self.period)


DELETED = frozenset({Standing.TRASHED, Standing.GONE})
SPANS: Mapping[str, type[AfterContract | AfterLastActivity | AfterClosed | AfterOpened | AfterDeleted]] = {
    span.basis: span for span in (AfterContract, AfterLastActivity, AfterClosed, AfterOpened, AfterDeleted)
}
