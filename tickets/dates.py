"""Due dates, kept true: what the policy makes of a ticket is stored with it, and computed anew when a fact changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from domain.actor import EVERYTHING
from domain.disposal import Decide
from domain.ids import OrganisationId, TicketId
from domain.ticket import Organisation, Ticket
from storage.records import Records, TicketFilter, Unit

PAGE = 1000
POLICY = "retention.policy"
"""The mark under which the policy is named whose due dates are stored."""
DecideIn = Callable[[Unit], Decide]
"""The policy that is in force in a transaction: it changes under a running service, and on other nodes."""


class Dates:
    """Stores what the policy says. Safe from any thread."""

    def __init__(self, decide: DecideIn) -> None:
        self._decide = decide

    def judged(self, unit: Unit, ticket: Ticket) -> Ticket:
        """The ticket with the class, rule and due date that its facts give; not stored yet."""
        return _judged(self._decide(unit), ticket, _organisation(unit, ticket.organisation_id))

    def rejudge(self, unit: Unit, organisation: Organisation) -> int:
        """Compute an organisation's tickets anew in the caller's transaction; how many changed."""
        decide = self._decide(unit)
        return sum(_store(unit, decide, ticket, organisation) for ticket in _tickets_of(unit, organisation.id))

    def recompute(self, records: Records, fingerprint: str) -> int:
        """Compute every ticket anew if the policy is not the one of the last time; how many changed.

        ``fingerprint`` is the policy's, kept as a mark of the site. A page is a transaction: stopped in the middle it
        begins again at the next start.
        """
        if records.read(lambda unit: unit.site.get(POLICY)) == fingerprint:
            return 0
        changed = 0
        after: TicketId | None = None
        while True:
            last, count = self._recompute_page(records, after)
            changed += count
            if last is None:
                break
            after = last
        records.write(lambda unit: unit.site.put(POLICY, fingerprint))
        return changed

    def _recompute_page(self, records: Records, after: TicketId | None) -> tuple[TicketId | None, int]:
        def work(unit: Unit) -> tuple[TicketId | None, int]:
            changed = 0
            decide = self._decide(unit)
            known: dict[OrganisationId, Organisation | None] = {}
            page = unit.tickets.page(TicketFilter(), EVERYTHING, after=after, limit=PAGE)
            for ticket in page:
                owner = ticket.organisation_id
                if owner is not None and owner not in known:
                    known[owner] = _organisation(unit, owner)
                changed += _store(unit, decide, ticket, known[owner] if owner is not None else None)
            return page[-1].id if len(page) == PAGE else None, changed

        return records.write(work)


def _store(unit: Unit, decide: Decide, ticket: Ticket, organisation: Organisation | None) -> int:
    judged = _judged(decide, ticket, organisation)
    if judged == ticket:
        return 0
    unit.tickets.put(replace(judged, version=ticket.version + 1))
    return 1


def _judged(decide: Decide, ticket: Ticket, organisation: Organisation | None) -> Ticket:
    destiny = decide(ticket, organisation)
    return replace(
        ticket,
        retention_class=destiny.retention_class,
        retention_rule=destiny.rule,
        purge_due_at=destiny.due_at,
    )


def _organisation(unit: Unit, organisation_id: OrganisationId | None) -> Organisation | None:
    return None if organisation_id is None else unit.organisations.by_id(organisation_id, EVERYTHING)


def _tickets_of(unit: Unit, organisation_id: OrganisationId) -> Iterator[Ticket]:
    after: TicketId | None = None
    while True:
        page = unit.tickets.of_organisation(organisation_id, after=after, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].id
