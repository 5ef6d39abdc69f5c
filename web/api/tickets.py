"""Tickets and organisations: what the ticket system says, and what retention makes of it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from domain.actor import Action
from domain.errors import NotAllowed, NotFound, StateConflict
from domain.ids import TicketId
from domain.ticket import Organisation, TicketStatus
from storage import TicketFilter, Unit
from tickets import UNSAID, OrganisationFact, TicketFact, TicketView, Unsaid
from web.api.shapes import Instant, PageQuery, Text
from web.services import Services
from web.spec import Call, Kind, Reply, Route, Shape

Status = Literal["open", "pending", "closed"]


class RequesterIn(Shape):
    """Who opened the ticket."""

    email: Text | None = None
    name: Text | None = None


class TicketIn(Shape):
    """What a PUT says replaces what was known; a field left out stays, null clears it."""

    status: Status
    subject: Text | None = None
    requester: RequesterIn | None = None
    organisation: Text | None = None
    opened_at: Instant | None = None
    last_activity_at: Instant | None = None
    closed_at: Instant | None = None
    channel: Text | None = None
    tags: Annotated[list[Text], Field(max_length=50)] | None = None


class RetentionOut(Shape):
    """When the ticket's files go. ``purge_due_at`` null: kept while the contract runs."""

    class_: str = Field(serialization_alias="class")
    rule: str
    purge_due_at: Instant | None
    held: bool


class RequesterOut(Shape):
    """Who opened the ticket; null where unknown or erased."""

    email: str | None
    name: str | None


class TicketOut(Shape):
    """A ticket. ``mail_address``: where it takes mail; null where mail has no door (docs/mail.md)."""

    ref: str
    status: Status
    subject: str | None
    requester: RequesterOut | None
    organisation: str | None
    opened_at: Instant | None
    last_activity_at: Instant
    closed_at: Instant | None
    channel: str | None
    tags: list[str]
    connector: str | None
    created_at: Instant
    erased_at: Instant | None
    mail_address: str | None
    retention: RetentionOut


class TicketsOut(Shape):
    """A page of tickets."""

    tickets: list[TicketOut]
    next_cursor: str | None


class TicketsQuery(PageQuery):
    """Which tickets."""

    organisation: str | None = None
    status: Status | None = None
    due_before: Instant | None = None
    held: bool | None = None
    requester: str | None = None


class OrganisationIn(Shape):
    """A customer organisation. ``contract_ends_on``: the contract's last day; null: it runs on."""

    name: Text | None = None
    contract_ends_on: date | None = None


class OrganisationOut(Shape):
    """A customer organisation."""

    ref: str
    name: str | None
    contract_ends_on: date | None
    held: bool
    created_at: Instant


class OrganisationsOut(Shape):
    """A page of organisations."""

    organisations: list[OrganisationOut]
    next_cursor: str | None


def ticket_out(services: Services, view: TicketView) -> TicketOut:
    """A ticket as the API shows it."""
    ticket, addressed = view.ticket, services.mail_address
    known = view.requester_email is not None or view.requester_name is not None
    return TicketOut(
        ref=ticket.ref,
        status=ticket.status.value,
        subject=view.subject,
        requester=RequesterOut(email=view.requester_email, name=view.requester_name) if known else None,
        organisation=view.organisation_ref,
        opened_at=ticket.opened_at,
        last_activity_at=ticket.last_activity_at,
        closed_at=ticket.closed_at,
        channel=ticket.channel,
        tags=list(ticket.tags),
        connector=ticket.connector,
        created_at=ticket.created_at,
        erased_at=ticket.erased_at,
        mail_address=addressed(ticket) if addressed and ticket.erased_at is None else None,
        retention=RetentionOut(
            class_=ticket.retention_class,
            rule=ticket.retention_rule,
            purge_due_at=ticket.purge_due_at,
            held=view.held,
        ),
    )


def put_ticket(call: Call, unit: Unit) -> Reply:
    """``PUT /tickets/{ref}``."""
    said: TicketIn = call.body
    given = said.model_fields_set
    requester = said.requester

    def of(name: str) -> object:
        return getattr(said, name) if name in given else UNSAID

    email: str | Unsaid | None = UNSAID
    name: str | Unsaid | None = UNSAID
    if "requester" in given:
        email = name = None
        if requester is not None:
            email = requester.email if "email" in requester.model_fields_set else UNSAID
            name = requester.name if "name" in requester.model_fields_set else UNSAID
    fact = TicketFact(
        ref=call.path["ref"],
        status=TicketStatus(said.status),
        subject=of("subject"),  # type: ignore[arg-type]
        requester_email=email,
        requester_name=name,
        organisation=of("organisation"),  # type: ignore[arg-type]
        opened_at=of("opened_at"),  # type: ignore[arg-type]
        last_activity_at=of("last_activity_at"),  # type: ignore[arg-type]
        closed_at=of("closed_at"),  # type: ignore[arg-type]
        channel=of("channel"),  # type: ignore[arg-type]
        tags=of("tags"),  # type: ignore[arg-type]
    )
    put = call.services.facts.put_ticket(unit, call.actor, fact)
    view = call.services.view.open_ticket(unit, put.ticket)
    return Reply(201 if put.created else 200, ticket_out(call.services, view))


def get_ticket(call: Call, unit: Unit) -> Reply:
    """``GET /tickets/{ref}``."""
    view = call.services.view
    found = view.find_ticket(unit, call.actor, call.path["ref"])
    return Reply(200, ticket_out(call.services, view.open_ticket(unit, found)))


def list_tickets(call: Call, unit: Unit) -> Reply:
    """``GET /tickets``."""
    query: TicketsQuery = call.query
    services = call.services
    call.actor.scope(Action.READ_TICKET)
    organisation_id = None
    if query.organisation is not None:
        found = unit.organisations.get(query.organisation, call.actor.scope(Action.READ_ORGANISATION))
        if found is None:
            return Reply(200, TicketsOut(tickets=[], next_cursor=None))
        organisation_id = found.id
    what = TicketFilter(
        organisation_id=organisation_id,
        status=TicketStatus(query.status) if query.status else None,
        due_before=query.due_before,
        held=query.held,
        requester_email_digest=services.facts.email_digest(query.requester) if query.requester else None,
    )
    after = services.cursors.read("tickets", query.cursor)
    rows = services.view.page(unit, call.actor, what, after=TicketId(after) if after else None, limit=query.limit + 1)
    shown, cursor = services.cursors.page("tickets", rows, query.limit, lambda row: row.ticket.id)
    return Reply(200, TicketsOut(tickets=[ticket_out(call.services, row) for row in shown], next_cursor=cursor))


def _organisation_out(unit: Unit, organisation: Organisation) -> OrganisationOut:
    return OrganisationOut(
        ref=organisation.ref,
        name=organisation.name,
        contract_ends_on=organisation.contract_ends_on,
        held=unit.holds.on_organisation(organisation.id) is not None,
        created_at=organisation.created_at,
    )


def put_organisation(call: Call, unit: Unit) -> Reply:
    """``PUT /organisations/{ref}``."""
    said: OrganisationIn = call.body
    fact = OrganisationFact(
        ref=call.path["ref"],
        name=said.name if "name" in said.model_fields_set else UNSAID,
        contract_ends_on=said.contract_ends_on if "contract_ends_on" in said.model_fields_set else UNSAID,
    )
    put = call.services.facts.put_organisation(unit, call.actor, fact)
    return Reply(201 if put.created else 200, _organisation_out(unit, put.organisation))


def get_organisation(call: Call, unit: Unit) -> Reply:
    """``GET /organisations/{ref}``."""
    found = call.services.view.find_organisation(unit, call.actor, call.path["ref"])
    return Reply(200, _organisation_out(unit, found))


def list_organisations(call: Call, unit: Unit) -> Reply:
    """``GET /organisations``."""
    query: PageQuery = call.query
    scope = call.actor.scope(Action.READ_ORGANISATION)
    after = call.services.cursors.read("organisations", query.cursor)
    rows = unit.organisations.page(scope, after=after, limit=query.limit + 1)  # type: ignore[arg-type]
    shown, cursor = call.services.cursors.page("organisations", rows, query.limit, lambda row: row.id)
    return Reply(
        200, OrganisationsOut(organisations=[_organisation_out(unit, row) for row in shown], next_cursor=cursor)
    )


def routes() -> list[Route]:
    """The routes of tickets and organisations."""
    tag = "tickets"
    refused = (NotAllowed, NotFound)
    return [
        Route(
            "PUT",
            "/tickets/{ref}",
            "Make or update a ticket",
            put_ticket,
            Kind.WRITE,
            {200: TicketOut, 201: TicketOut},
            tag,
            body=TicketIn,
            problems=(NotAllowed, StateConflict),
        ),
        Route(
            "GET",
            "/tickets",
            "List tickets",
            list_tickets,
            Kind.READ,
            {200: TicketsOut},
            tag,
            query=TicketsQuery,
            problems=(NotAllowed,),
        ),
        Route("GET", "/tickets/{ref}", "One ticket", get_ticket, Kind.READ, {200: TicketOut}, tag, problems=refused),
        Route(
            "PUT",
            "/organisations/{ref}",
            "Make or update an organisation",
            put_organisation,
            Kind.WRITE,
            {200: OrganisationOut, 201: OrganisationOut},
            tag,
            body=OrganisationIn,
            problems=(NotAllowed,),
        ),
        Route(
            "GET",
            "/organisations",
            "List organisations",
            list_organisations,
            Kind.READ,
            {200: OrganisationsOut},
            tag,
            query=PageQuery,
            problems=(NotAllowed,),
        ),
        Route(
            "GET",
            "/organisations/{ref}",
            "One organisation",
            get_organisation,
            Kind.READ,
            {200: OrganisationOut},
            tag,
            problems=refused,
        ),
    ]
