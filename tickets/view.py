"""Tickets and organisations as an actor may see them, their sealed fields opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.actor import EVERYTHING, Action, Actor
from domain.errors import NotFound
from domain.ids import TicketId
from domain.ticket import Organisation, Ticket
from keys import TICKET, Keys
from storage.records import TicketFilter, Unit


@dataclass(frozen=True, slots=True)
class TicketView:
    """A ticket with its people's names in clear. None where unknown, or where the ticket's key is destroyed."""

    ticket: Ticket
    organisation_ref: str | None
    subject: str | None
    requester_email: str | None
    requester_name: str | None
    held: bool


class View:
    """Reads in the caller's transaction. Safe from any thread."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def find_ticket(self, unit: Unit, actor: Actor, ref: str) -> Ticket:
        """The ticket of that outside name. Raises NotAllowed, and NotFound also for one whose existence is private."""
        ticket = unit.tickets.get(ref, actor.scope(Action.READ_TICKET))
        if ticket is None:
            raise NotFound
        return ticket

    def find_organisation(self, unit: Unit, actor: Actor, ref: str) -> Organisation:
        """The organisation of that outside name. Raises NotAllowed, and NotFound also for one that is private."""
        organisation = unit.organisations.get(ref, actor.scope(Action.READ_ORGANISATION))
        if organisation is None:
            raise NotFound
        return organisation

    def page(
        self, unit: Unit, actor: Actor, what: TicketFilter, *, after: TicketId | None, limit: int
    ) -> Sequence[TicketView]:
        """Up to ``limit`` of the tickets an actor may see, in the order of their ids. Raises NotAllowed."""
        found = unit.tickets.page(what, actor.scope(Action.READ_TICKET), after=after, limit=limit)
        return [self.open_ticket(unit, ticket) for ticket in found]

    def open_ticket(self, unit: Unit, ticket: Ticket) -> TicketView:
        """Open a ticket that the actor was found to see. Raises WrongContext, KeysUnavailable."""
        organisation = None
        if ticket.organisation_id is not None:
            # the ticket was seen, and its organisation's outside name is one of its facts
            organisation = unit.organisations.by_id(ticket.organisation_id, EVERYTHING)
        key = self._keys.find(unit, ticket.id, TICKET)
        context = self._keys.context(ticket.id, TICKET)

        def opened(sealed: bytes | None, label: str) -> str | None:
            return None if sealed is None or key is None else key.open_text(sealed, label, context)

        return TicketView(
            ticket=ticket,
            organisation_ref=organisation.ref if organisation else None,
            subject=opened(ticket.subject_sealed, "subject"),
            requester_email=opened(ticket.requester_email_sealed, "requester-email"),
            requester_name=opened(ticket.requester_name_sealed, "requester-name"),
            held=unit.holds.held(ticket.id),
        )
