"""Facts about tickets and organisations, and the due dates that follow from them: kept true with every change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from audit import Log
from crypto import Secret, keyed_digest, new_id
from domain.actor import EVERYTHING, Action, Actor
from domain.clock import Clock, rfc3339
from domain.disposal import Decide
from domain.errors import NotFound, StateConflict
from domain.event import Event, EventKind, Scalar
from domain.ids import OrganisationId, TicketId
from domain.ticket import Organisation, Ticket, TicketStatus
from keys import TICKET, Keys
from storage.records import Unit
from tickets.checks import (
    MAX_NAME,
    check_channel,
    check_connector,
    check_day,
    check_email,
    check_instant,
    check_line,
    check_ref,
    check_subject,
    check_tags,
    normalise_email,
)
from tickets.dates import Dates
from tickets.said import OrganisationFact, TicketFact, Unsaid, said


class Put(NamedTuple):
    """A ticket as it stands now, and whether it is new (or begins anew after its erasure)."""

    ticket: Ticket
    created: bool


class PutOrganisation(NamedTuple):
    """An organisation as it stands now, and whether it is new."""

    organisation: Organisation
    created: bool


class Facts:
    """Takes what ticket systems and people say. Every call works in the caller's transaction; safe from any thread."""

    def __init__(self, keys: Keys, log: Log, decide: Decide, clock: Clock, search_secret: Secret) -> None:
        self._keys = keys
        self._log = log
        self._dates = Dates(decide)
        self._clock = clock
        self._search_secret = search_secret

    def email_digest(self, address: str) -> bytes:
        """What a requester's address is found by: 32 bytes, alike for spellings that differ in case alone."""
        return keyed_digest(self._search_secret, normalise_email(address))

    def put_ticket(self, unit: Unit, actor: Actor, fact: TicketFact) -> Put:
        """Make or update a ticket. Raises BadInput with the field, NotAllowed, KeysUnavailable."""
        scope = actor.scope(Action.PUT_TICKET)
        now = self._clock()
        known = unit.tickets.get(check_ref(fact.ref, "ref"), scope)
        before = known or _blank(TicketId(new_id()), fact.ref, now)
        if known is None:
            unit.quotas.open(before.id, max_files=None, max_bytes=None)
        elif known.erased_at is not None:
            before = replace(_blank(known.id, fact.ref, now), created_at=known.created_at)
        ticket = _plain(before, fact, now)
        ticket = replace(
            ticket,
            version=1 if known is None else known.version + 1,
            organisation_id=said(self._organisation_of(unit, actor, fact), before.organisation_id),
        )
        ticket = self._dates.judged(unit, self._sealed(unit, ticket, fact))
        unit.tickets.put(ticket)
        created = known is None or known.erased_at is not None
        facts: dict[str, Scalar] = {
            "created": created,
            "version": ticket.version,
            "status": ticket.status.value,
            "organisation_id": ticket.organisation_id,
            "last_activity_at": rfc3339(ticket.last_activity_at),
            "retention_class": ticket.retention_class,
            "purge_due_at": rfc3339(ticket.purge_due_at) if ticket.purge_due_at else None,
        }
        self._log.append(unit, Event(EventKind.TICKET_PUT, actor, ticket.id, facts))
        return Put(ticket, created)

    def put_organisation(self, unit: Unit, actor: Actor, fact: OrganisationFact) -> PutOrganisation:
        """Make or update an organisation, and compute its tickets' due dates anew. Raises BadInput, NotAllowed."""
        scope = actor.scope(Action.PUT_ORGANISATION)
        known = unit.organisations.get(check_ref(fact.ref, "ref"), scope)
        now = self._clock()
        before = known or Organisation(OrganisationId(new_id()), fact.ref, None, None, now, now)
        name = said(fact.name, before.name)
        ends_on = said(fact.contract_ends_on, before.contract_ends_on)
        organisation = replace(
            before,
            name=None if name is None else check_line(name, "name", MAX_NAME),
            contract_ends_on=None if ends_on is None else check_day(ends_on, "contract_ends_on"),
            facts_at=now,
        )
        self._keep_organisation(unit, actor, organisation, created=known is None)
        if known is not None and known.contract_ends_on != organisation.contract_ends_on:
            self._dates.rejudge(unit, organisation)
        return PutOrganisation(organisation, known is None)

    def touch(self, unit: Unit, ticket_id: TicketId, at: datetime) -> None:
        """An upload counts as activity until the ticket system speaks next. Raises NotFound, StateConflict."""
        ticket = unit.tickets.by_id(ticket_id, EVERYTHING)
        if ticket is None:
            raise NotFound
        if ticket.erased_at is not None:
            raise StateConflict("This ticket has been erased.")
        active = replace(ticket, last_activity_at=max(ticket.last_activity_at, at))
        unit.tickets.put(self._dates.judged(unit, replace(active, version=ticket.version + 1)))

    def _organisation_of(self, unit: Unit, actor: Actor, fact: TicketFact) -> OrganisationId | Unsaid | None:
        """Our id of the organisation that was named; one not known yet is made, its contract's end unknown."""
        if fact.organisation is None or isinstance(fact.organisation, Unsaid):
            return fact.organisation
        known = unit.organisations.get(check_ref(fact.organisation, "organisation"), EVERYTHING)
        if known is None:
            now = self._clock()
            known = Organisation(OrganisationId(new_id()), fact.organisation, None, None, now, now)
            self._keep_organisation(unit, actor, known, created=True)
        return known.id

    def _keep_organisation(self, unit: Unit, actor: Actor, organisation: Organisation, *, created: bool) -> None:
        unit.organisations.put(organisation)
        ends_on = organisation.contract_ends_on
        facts: dict[str, Scalar] = {"created": created, "contract_ends_on": ends_on.isoformat() if ends_on else None}
        self._log.append(unit, Event(EventKind.ORGANISATION_PUT, actor, organisation.id, facts))

    def _sealed(self, unit: Unit, ticket: Ticket, fact: TicketFact) -> Ticket:
        """The ticket with what was said about people, sealed under the ticket's own key."""
        if not isinstance(fact.subject, Unsaid):
            subject = None if fact.subject is None else check_subject(fact.subject)
            ticket = replace(ticket, subject_sealed=self._seal(unit, ticket.id, "subject", subject))
        if not isinstance(fact.requester_email, Unsaid):
            email = None if fact.requester_email is None else check_email(fact.requester_email, "requester.email")
            digest = None if email is None else self.email_digest(email)
            if digest != ticket.requester_email_digest:  # somebody else: the name known so far is not theirs
                ticket = replace(ticket, requester_name_sealed=None)
            sealed = self._seal(unit, ticket.id, "requester-email", email)
            ticket = replace(ticket, requester_email_sealed=sealed, requester_email_digest=digest)
        if not isinstance(fact.requester_name, Unsaid):
            name = fact.requester_name and check_line(fact.requester_name, "requester.name", MAX_NAME)
            sealed = self._seal(unit, ticket.id, "requester-name", name or None)
            ticket = replace(ticket, requester_name_sealed=sealed)
        return ticket

    def _seal(self, unit: Unit, ticket_id: TicketId, label: str, text: str | None) -> bytes | None:
        return None if text is None else self._keys.seal_text(unit, ticket_id, TICKET, label, text)


def _blank(ticket_id: TicketId, ref: str, now: datetime) -> Ticket:
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


def _plain(ticket: Ticket, fact: TicketFact, now: datetime) -> Ticket:
    """The ticket with what was said about its state and its times."""
    opened_at = said(fact.opened_at, ticket.opened_at)
    active_at = said(fact.last_activity_at, None) or ticket.last_activity_at
    channel = said(fact.channel, ticket.channel)
    tags = said(fact.tags, ticket.tags)
    connector = said(fact.connector, ticket.connector)
    status = said(fact.status, ticket.status)
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
        facts_at=now,
    )
