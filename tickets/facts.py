"""Facts about tickets and organisations, and the due dates that follow from them: kept true with every change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from audit import Log
from crypto import Secret, keyed_digest, new_id
from domain.actor import EVERYTHING, Action, Actor
from domain.clock import Clock, rfc3339
from domain.errors import NotFound, StateConflict
from domain.event import Event, EventKind, Scalar
from domain.ids import OrganisationId, TicketId
from domain.ticket import Organisation, Standing, Ticket
from keys import TICKET, Keys
from storage.records import Unit
from tickets.checks import (
    MAX_NAME,
    check_day,
    check_email,
    check_line,
    check_ref,
    check_subject,
    normalise_email,
)
from tickets.dates import Dates, DecideIn
from tickets.desk import SourceTicket
from tickets.following import Following
from tickets.plain import blank, erased_blank, plain
from tickets.said import OrganisationFact, TicketFact, Unsaid, said
from tickets.tidied import tidied


class Outcome(StrEnum):
    """What an application came to."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"


class Applied(NamedTuple):
    """A ticket after its system's word was taken."""

    ticket: Ticket
    outcome: Outcome


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

    def __init__(self, keys: Keys, log: Log, decide: DecideIn, clock: Clock, search_secret: Secret) -> None:
        self._keys = keys
        self._log = log
        self._dates = Dates(decide)
        self._following = Following(self._dates)
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
        # Of a ticket that a system speaks for, what somebody puts is no word of that system (S-69).
        facts_at = known.facts_at if known is not None and known.source_id is not None else now
        return self._put(unit, actor, known, fact, facts_at=facts_at, now=now)

    def apply(self, unit: Unit, actor: Actor, connector: str, source: SourceTicket, *, read_at: datetime) -> Applied:
        """What a system's API said of a ticket at ``read_at``: made, updated, or nothing new. Idempotent, and the order
        of the ticket's own versions counts; of an equal version what was read later.

        Raises BadInput where the ticket cannot be kept here, NotAllowed, KeysUnavailable.
        """
        actor.scope(Action.PUT_TICKET)
        now = self._clock()
        known = self._following.find(unit, connector, source)
        fact = replace(tidied(source.fact), connector=connector)
        if known is not None:
            fact = replace(fact, ref=known.ref)
            if source.version == known.source_version and isinstance(fact.last_activity_at, datetime):
                # It did not speak since: what was uploaded meanwhile still counts.
                fact = replace(fact, last_activity_at=max(fact.last_activity_at, known.last_activity_at))
            if known.source_version is not None and not self._is_news(unit, known, source, fact, read_at):
                self._following.seen(unit, known, read_at)
                return Applied(unit.tickets.by_id(known.id, EVERYTHING) or known, Outcome.SAME)
        if source.organisation is not None:
            self.take_organisation(unit, actor, source.organisation, read_at=read_at)
        if known is not None and known.erased_at is not None:
            erased = self._judged_anew(unit, actor, known, source, fact, now)
            if source.standing is not Standing.PRESENT or (erased.purge_due_at and erased.purge_due_at <= now):
                # Its time is up by what is said of it now as well: nobody's data comes back for that.
                unit.tickets.put(replace(known, source_version=source.version, version=known.version + 1))
                return Applied(known, Outcome.SAME)
        put = self._put(unit, actor, known, fact, facts_at=read_at, now=now, source=source)
        return Applied(put.ticket, Outcome.NEW if put.created else Outcome.CHANGED)

    def gone(self, unit: Unit, actor: Actor, connector: str, source_id: str, *, read_at: datetime) -> Applied | None:
        """Its system's API says that there is no such ticket, for good. None: nor is there here."""
        actor.scope(Action.PUT_TICKET)
        known = unit.tickets.by_source(connector, source_id)
        if known is None:
            return None
        away = known.standing is Standing.GONE or known.merged_into is not None or known.erased_at is not None
        if away or read_at < known.facts_at:
            self._following.seen(unit, known, read_at)
            return Applied(known, Outcome.SAME)
        ticket = replace(
            known,
            standing=Standing.GONE,
            standing_since=known.standing_since if known.standing is Standing.TRASHED else self._clock(),
            facts_at=read_at,
            version=known.version + 1,
        )
        return Applied(self._keep(unit, actor, ticket, created=False), Outcome.CHANGED)

    def _put(
        self,
        unit: Unit,
        actor: Actor,
        known: Ticket | None,
        fact: TicketFact,
        *,
        facts_at: datetime,
        now: datetime,
        source: SourceTicket | None = None,
    ) -> Put:
        before = known or blank(TicketId(new_id()), fact.ref, now)
        if known is None:
            unit.quotas.open(before.id, max_files=None, max_bytes=None)
        elif known.erased_at is not None:
            before = erased_blank(known, now)
        ticket = replace(
            plain(before, fact, now),
            version=1 if known is None else known.version + 1,
            facts_at=facts_at,
            organisation_id=said(self._organisation_of(unit, actor, fact), before.organisation_id),
        )
        if source is not None:
            ticket = self._following.placed(unit, ticket, source, now)
        created = known is None or known.erased_at is not None
        return Put(self._keep(unit, actor, self._sealed(unit, ticket, fact), created=created), created)

    def _keep(self, unit: Unit, actor: Actor, ticket: Ticket, *, created: bool) -> Ticket:
        """Store a ticket whose facts changed with the date they give, and let those that go on as it do the same."""
        ticket = self._dates.judged(unit, self._following.following(unit, ticket))
        unit.tickets.put(ticket)
        facts: dict[str, Scalar] = {
            "created": created,
            "version": ticket.version,
            "status": ticket.status.value,
            "organisation_id": ticket.organisation_id,
            "last_activity_at": rfc3339(ticket.last_activity_at),
            "retention_class": ticket.retention_class,
            "purge_due_at": rfc3339(ticket.purge_due_at) if ticket.purge_due_at else None,
        }
        if ticket.source_id is not None:
            facts |= {
                "connector": ticket.connector,
                "standing": ticket.standing.value,
                "merged_into": ticket.merged_into,
            }
        self._log.append(unit, Event(EventKind.TICKET_PUT, actor, ticket.id, facts))
        self._following.lead(unit, ticket)
        return ticket

    def _is_news(self, unit: Unit, known: Ticket, source: SourceTicket, fact: TicketFact, read_at: datetime) -> bool:
        """Whether this is newer than what is known. Systems tell a change's time to the second: of two within one, the
        second is seen by what it says."""
        version = known.source_version or 0
        if source.version != version or read_at <= known.facts_at:
            return source.version > version
        if known.erased_at is not None:
            return False
        organisation = known.organisation_id
        if isinstance(fact.organisation, str):
            found = unit.organisations.get(fact.organisation, EVERYTHING)
            organisation = None if found is None else found.id
        elif fact.organisation is None:
            organisation = None
        said_now = self._following.placed(unit, plain(known, fact, known.facts_at), source, known.facts_at)
        said_now = self._following.following(unit, replace(said_now, organisation_id=organisation))
        return replace(said_now, standing_since=known.standing_since) != known

    def _judged_anew(
        self, unit: Unit, actor: Actor, known: Ticket, source: SourceTicket, fact: TicketFact, now: datetime
    ) -> Ticket:
        organisation_id = said(self._organisation_of(unit, actor, fact), known.organisation_id)
        ticket = replace(plain(erased_blank(known, now), fact, now), organisation_id=organisation_id)
        return self._dates.judged(unit, self._following.placed(unit, ticket, source, now))

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
        whole = None if ticket.merged_into is None else unit.tickets.by_id(ticket.merged_into, EVERYTHING)
        if whole is None:
            self._following.lead(unit, active)
        elif whole.erased_at is None:
            self.touch(unit, whole.id, at)

    def take_organisation(self, unit: Unit, actor: Actor, fact: OrganisationFact, *, read_at: datetime) -> None:
        """What a system's API said of an organisation, where that is news. Raises as ``put_organisation``."""
        known = unit.organisations.get(check_ref(fact.ref, "organisation"), EVERYTHING)
        if known is not None and known.facts_at > read_at:
            return  # something newer was said of it meanwhile
        if (
            known is None
            or said(fact.name, known.name) != known.name
            or said(fact.contract_ends_on, known.contract_ends_on) != known.contract_ends_on
        ):
            self.put_organisation(unit, actor, fact)

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
