"""What a change of the policy would do: which tickets' dates, and which files', would come nearer. No effects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from domain.actor import EVERYTHING
from domain.attachment import LIVE
from domain.disposal import Decide, Destiny
from domain.ids import AttachmentId, OrganisationId, TicketId
from domain.ticket import Organisation, Ticket
from storage.records import Records, TicketFilter, Unit

PAGE = 500


@dataclass(frozen=True, slots=True)
class Nearer:
    """A ticket whose date comes nearer, with its files that are not erased yet; often none."""

    ticket: Ticket
    before: Destiny
    after: Destiny
    files: tuple[AttachmentId, ...]
    held: bool

    def goes(self, now: datetime) -> bool:
        """Whether it would be due at an instant, and is not as things are."""
        return _is_due(self.after, now) and not _is_due(self.before, now)


class Change:
    """A policy beside the one in force. A page of tickets in memory at a time; safe from any thread."""

    def __init__(self, before: Decide, after: Decide, *, page: int = PAGE) -> None:
        self._limit = page
        self._before = before
        self._after = after

    def nearer(self, records: Records) -> Iterator[Nearer]:
        """Every ticket whose date would come nearer, in the order of their ids: a page is a snapshot of its own."""
        after: TicketId | None = None
        while True:
            found, after = self._page(records, after)
            yield from found
            if after is None:
                return

    def shortens(self, records: Records) -> tuple[bool, TicketId | None]:
        """Whether any date would come nearer; and where not, the last ticket that was looked at."""
        after: TicketId | None = None
        while True:
            found, last = self._page(records, after)
            if found:
                return True, None
            if last is None:
                return False, after
            after = last

    def shortens_behind(self, unit: Unit, after: TicketId | None) -> bool:
        """As ``shortens`` in the caller's transaction, of the tickets behind one."""
        while True:
            found, last = self.look(unit, after)
            if found or last is None:
                return bool(found)
            after = last

    def look(self, unit: Unit, after: TicketId | None) -> tuple[list[Nearer], TicketId | None]:
        """Those among one page of tickets; and the last of the page, if there may be another one."""
        known: dict[OrganisationId, Organisation | None] = {}
        page = unit.tickets.page(TicketFilter(), EVERYTHING, after=after, limit=self._limit)
        found = [one for ticket in page if (one := self._judge(unit, ticket, known)) is not None]
        return found, page[-1].id if len(page) == self._limit else None

    def _page(self, records: Records, after: TicketId | None) -> tuple[list[Nearer], TicketId | None]:
        return records.read(lambda unit: self.look(unit, after))

    def _judge(self, unit: Unit, ticket: Ticket, known: dict[OrganisationId, Organisation | None]) -> Nearer | None:
        if ticket.erased_at is not None:
            return None
        owner = ticket.organisation_id
        if owner is not None and owner not in known:
            known[owner] = unit.organisations.by_id(owner, EVERYTHING)
        organisation = None if owner is None else known[owner]
        before, after = self._before(ticket, organisation), self._after(ticket, organisation)
        if after.due_at is None or (before.due_at is not None and before.due_at <= after.due_at):
            return None
        files = tuple(one.id for one in unit.attachments.of_ticket(ticket.id, EVERYTHING) if one.state in LIVE)
        return Nearer(ticket, before, after, files, unit.holds.held(ticket.id))


def _is_due(destiny: Destiny, now: datetime) -> bool:
    return destiny.due_at is not None and destiny.due_at <= now
