"""Tickets' rows in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, insert, not_, select, update

from domain.actor import EVERYTHING, Scope
from domain.attachment import AttachmentState
from domain.errors import StateConflict
from domain.ids import OrganisationId, TicketId
from domain.ticket import Ticket
from storage.records.ports.tickets import TicketFilter
from storage.records.schema.core import attachments, tickets
from storage.records.sql.conflict import insert_new
from storage.records.sql.held import IS_HELD
from storage.records.sql.rows import columns_of, values_of
from storage.records.sql.scope import narrow, scope_values

_SELECT = select(*columns_of(tickets, Ticket))
_BY_REF = _SELECT.where(tickets.c.ref == bindparam("the_ref"))
_BY_ID = _SELECT.where(tickets.c.id == bindparam("the_id"))
_FROM = _SELECT.where(tickets.c.id > bindparam("after")).order_by(tickets.c.id).limit(bindparam("limit"))
_OF_ORGANISATION = _FROM.where(tickets.c.organisation_id == bindparam("the_organisation_id"))
_INSERT = insert(tickets)
_UPDATE = update(tickets).where(tickets.c.id == bindparam("the_id"), tickets.c.version == bindparam("the_version"))
_BY_SOURCE = _SELECT.where(
    tickets.c.connector == bindparam("the_connector"), tickets.c.source_id == bindparam("the_source_id")
)
_OF_CONNECTOR = (
    _SELECT.where(tickets.c.connector == bindparam("the_connector"), tickets.c.source_id.is_not(None))
    .order_by(tickets.c.source_id)
    .limit(bindparam("limit"))
)
_MERGED_HERE = _SELECT.where(
    tickets.c.connector == bindparam("the_connector"), tickets.c.merged_source_id == bindparam("the_source_id")
).order_by(tickets.c.id)
_FOLLOWERS = _SELECT.where(tickets.c.merged_into == bindparam("the_id")).order_by(tickets.c.id)
_SEEN = (
    update(tickets)
    .where(tickets.c.id == bindparam("the_id"), tickets.c.facts_at < bindparam("at"))
    .values(facts_at=bindparam("at"))
)
_is_unseen = (
    tickets.c.connector == bindparam("the_connector"),
    tickets.c.source_id.is_not(None),
    tickets.c.erased_at.is_(None),
    tickets.c.facts_at < bindparam("before"),
)
_UNSEEN = _SELECT.where(*_is_unseen).order_by(tickets.c.facts_at, tickets.c.id).limit(bindparam("limit"))
_DUE_UNSEEN = (
    _SELECT.where(*_is_unseen, tickets.c.purge_due_at <= bindparam("now"))
    .order_by(tickets.c.purge_due_at, tickets.c.id)
    .limit(bindparam("limit"))
)
_MORE_THAN_TOMBSTONES = (
    select(attachments.c.id)
    .where(attachments.c.ticket_id == bindparam("the_id"), attachments.c.state != AttachmentState.PURGED)
    .limit(1)
)
_EXPIRED = (
    _SELECT.where(
        tickets.c.purge_due_at <= bindparam("now"),
        tickets.c.erased_at.is_(None),
        not_(IS_HELD),
        ~select(attachments.c.id)
        .where(attachments.c.ticket_id == tickets.c.id, attachments.c.state != AttachmentState.PURGED)
        .exists(),
    )
    .order_by(tickets.c.purge_due_at, tickets.c.id)
    .limit(bindparam("limit"))
)


class SqlTickets:
    """``ports.tickets.Tickets`` on a connection.

    An erased ticket has nothing but tombstones: ``put`` refuses to erase one that has more (StateConflict), and
    ``SqlAttachments.add`` refuses an erased ticket. So what is due is looked for among tickets that are not erased.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, ticket: Ticket) -> None:
        if (
            ticket.erased_at is not None
            and self._connection.execute(_MORE_THAN_TOMBSTONES, {"the_id": ticket.id}).first()
        ):
            raise StateConflict("This ticket still has files.")
        changed = {**values_of(ticket, without=("id",)), "the_id": ticket.id, "the_version": ticket.version - 1}
        if self._connection.execute(_UPDATE, changed).rowcount == 0:
            insert_new(self._connection, _INSERT, values_of(ticket))

    def get(self, ref: str, scope: Scope) -> Ticket | None:
        return self._one(_BY_REF, {"the_ref": ref}, scope)

    def by_id(self, ticket_id: TicketId, scope: Scope) -> Ticket | None:
        return self._one(_BY_ID, {"the_id": ticket_id}, scope)

    def page(self, what: TicketFilter, scope: Scope, *, after: TicketId | None, limit: int) -> Sequence[Ticket]:
        narrowed_by = {name: value for name in _FILTERS if (value := getattr(what, name)) is not None}
        # `held` is a condition, the others are values.
        held = narrowed_by.pop("held", None)
        statement = narrow(_filtered(frozenset(narrowed_by), held), tickets.c.id, scope)
        values = {**narrowed_by, "after": after or "", "limit": limit, **scope_values(scope)}
        return [Ticket(*row) for row in self._connection.execute(statement, values)]

    def of_organisation(
        self, organisation_id: OrganisationId, *, after: TicketId | None, limit: int
    ) -> Sequence[Ticket]:
        values = {"the_organisation_id": organisation_id, "after": after or "", "limit": limit}
        return [Ticket(*row) for row in self._connection.execute(_OF_ORGANISATION, values)]

    def by_source(self, connector: str, source_id: str) -> Ticket | None:
        values = {"the_connector": connector, "the_source_id": source_id}
        return self._one(_BY_SOURCE, values, EVERYTHING)

    def of_connector(self, connector: str, *, limit: int) -> Sequence[Ticket]:
        rows = self._connection.execute(_OF_CONNECTOR, {"the_connector": connector, "limit": limit})
        return [Ticket(*row) for row in rows]

    def merged_here(self, connector: str, source_id: str) -> Sequence[Ticket]:
        values = {"the_connector": connector, "the_source_id": source_id}
        return [Ticket(*row) for row in self._connection.execute(_MERGED_HERE, values)]

    def followers(self, ticket_id: TicketId) -> Sequence[Ticket]:
        return [Ticket(*row) for row in self._connection.execute(_FOLLOWERS, {"the_id": ticket_id})]

    def seen(self, ticket_id: TicketId, at: datetime) -> None:
        self._connection.execute(_SEEN, {"the_id": ticket_id, "at": at})

    def unseen(self, connector: str, before: datetime, *, limit: int) -> Sequence[Ticket]:
        values = {"the_connector": connector, "before": before, "limit": limit}
        return [Ticket(*row) for row in self._connection.execute(_UNSEEN, values)]

    def due_unseen(self, connector: str, now: datetime, before: datetime, *, limit: int) -> Sequence[Ticket]:
        values = {"the_connector": connector, "before": before, "now": now, "limit": limit}
        return [Ticket(*row) for row in self._connection.execute(_DUE_UNSEEN, values)]

    def expired(self, now: datetime, *, limit: int) -> Sequence[Ticket]:
        return [Ticket(*row) for row in self._connection.execute(_EXPIRED, {"now": now, "limit": limit})]

    def _one(self, statement: Select[Any], values: dict[str, str], scope: Scope) -> Ticket | None:
        row = self._connection.execute(
            narrow(statement, tickets.c.id, scope), {**values, **scope_values(scope)}
        ).one_or_none()
        return None if row is None else Ticket(*row)


_FILTERS = ("organisation_id", "status", "due_before", "held", "requester_email_digest")


@cache
def _filtered(names: frozenset[str], held: bool | None) -> Select[Any]:
    """The page's statement for those filters: at most 48 of them, each built once."""
    statement = _FROM
    for name in ("organisation_id", "status", "requester_email_digest"):
        if name in names:
            statement = statement.where(tickets.c[name] == bindparam(name))
    if "due_before" in names:
        statement = statement.where(tickets.c.purge_due_at < bindparam("due_before"))
    if held is not None:
        statement = statement.where(IS_HELD if held else not_(IS_HELD))
    return statement
