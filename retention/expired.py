"""Tickets whose time is up and of which nothing is left but tombstones: their personal data goes, and their key."""

from __future__ import annotations

import logging
from dataclasses import replace

from audit import Log
from domain.actor import EVERYTHING, Actor
from domain.clock import Clock, rfc3339
from domain.disposal import Destiny
from domain.event import Event, EventKind, Scalar
from domain.ids import TicketId
from domain.ticket import Ticket
from keys import Keys
from retention.due import Outlook
from retention.erasure import Guard, each
from retention.report import PurgeReport
from storage.records import Records, Unit

log = logging.getLogger(__name__)
BATCH = 100


class Expired:
    """Erases expired tickets. Safe from any thread."""

    def __init__(self, records: Records, keys: Keys, journal: Log, outlook: Outlook, clock: Clock) -> None:
        self._records = records
        self._keys = keys
        self._log = journal
        self._outlook = outlook
        self._clock = clock

    def run(self, actor: Actor, report: PurgeReport, guard: Guard) -> None:
        """Erase all that are due at the report's ``now``; one that fails is logged, counted, left for the next run."""
        failed: set[TicketId] = set()
        while batch := self._batch(report, failed):
            done = each(self._records, batch, lambda unit, one: self._erase(unit, actor, one, report), guard)
            report.tickets_erased += sum(done.results)
            for ticket_id, error in done.failed:
                log.error("ticket not erased", extra={"ticket_id": ticket_id, "error": type(error).__name__})
                failed.add(ticket_id)
        report.tickets_failed = len(failed)

    def _batch(self, report: PurgeReport, failed: set[TicketId]) -> list[TicketId]:
        found = self._records.read(lambda unit: unit.tickets.expired(report.now, limit=BATCH + len(failed)))
        return [ticket.id for ticket in found if ticket.id not in failed]

    def _erase(self, unit: Unit, actor: Actor, ticket_id: TicketId, report: PurgeReport) -> bool:
        ticket = unit.tickets.by_id(ticket_id, EVERYTHING)
        if ticket is None or ticket.erased_at is not None or unit.holds.held(ticket_id):
            return False
        destiny = self._outlook.destiny(unit, ticket)
        if destiny.due_at is None or destiny.due_at > report.now:
            unit.tickets.put(redated(ticket, destiny))
            return False
        self._outlook.check_fresh(unit, ticket)
        self.erase(unit, actor, ticket, destiny)
        return True

    def erase(self, unit: Unit, actor: Actor, ticket: Ticket, destiny: Destiny, *, mark: bool = True) -> None:
        """Erase a ticket's personal data; whether its time is up is the caller's to know. Where it still has files it
        cannot be marked as erased yet."""
        now = self._clock()
        unit.tickets.put(
            replace(
                ticket,
                subject_sealed=None,
                requester_email_sealed=None,
                requester_email_digest=None,
                requester_name_sealed=None,
                tags=(),
                erased_at=now if mark else None,
                version=ticket.version + 1,
            )
        )
        links = unit.links.erase_of_ticket(ticket.id, at=now)
        mails = unit.outbox.remove_of_ticket(ticket.id)
        keys = self._keys.destroy(unit, ticket.id)
        unit.mail_deliveries.forget(ticket.id)
        facts: dict[str, Scalar] = {
            "retention_class": destiny.retention_class,
            "rule": destiny.rule,
            "due_at": rfc3339(destiny.due_at) if destiny.due_at else None,
            "links": links,
            "mails": mails,
            "keys": keys,
        }
        self._log.append(unit, Event(EventKind.TICKET_ERASED, actor, ticket.id, facts))


def redated(ticket: Ticket, destiny: Destiny) -> Ticket:
    """The ticket with the date that its facts give now: the stored one was of an older policy."""
    return replace(
        ticket,
        retention_class=destiny.retention_class,
        retention_rule=destiny.rule,
        purge_due_at=destiny.due_at,
        version=ticket.version + 1,
    )
