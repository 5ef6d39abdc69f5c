"""Organisations' rows in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, insert, select, update

from domain.actor import Scope
from domain.ids import OrganisationId
from domain.ticket import Organisation
from storage.records.schema.core import organisations, tickets
from storage.records.sql.conflict import insert_new
from storage.records.sql.rows import columns_of, values_of
from storage.records.sql.scope import scope_values

_SELECT = select(*columns_of(organisations, Organisation))
_BY_REF = _SELECT.where(organisations.c.ref == bindparam("the_ref"))
_BY_ID = _SELECT.where(organisations.c.id == bindparam("the_id"))
_PAGE = _SELECT.where(organisations.c.id > bindparam("after")).order_by(organisations.c.id).limit(bindparam("limit"))
_INSERT = insert(organisations)
_UPDATE = update(organisations).where(organisations.c.id == bindparam("the_id"))


class SqlOrganisations:
    """``ports.tickets.Organisations`` on a connection. A contact sees its own organisation, whoever is limited to a
    ticket sees that ticket's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, organisation: Organisation) -> None:
        changed = {**values_of(organisation, without=("id",)), "the_id": organisation.id}
        if self._connection.execute(_UPDATE, changed).rowcount == 0:
            insert_new(self._connection, _INSERT, values_of(organisation))

    def get(self, ref: str, scope: Scope) -> Organisation | None:
        return self._one(_BY_REF, {"the_ref": ref}, scope)

    def by_id(self, organisation_id: OrganisationId, scope: Scope) -> Organisation | None:
        return self._one(_BY_ID, {"the_id": organisation_id}, scope)

    def page(self, scope: Scope, *, after: OrganisationId | None, limit: int) -> Sequence[Organisation]:
        statement = _narrowed(_PAGE, scope.organisation_id is not None, scope.ticket_id is not None)
        rows = self._connection.execute(statement, {"after": after or "", "limit": limit, **scope_values(scope)})
        return [Organisation(*row) for row in rows]

    def _one(self, statement: Select[Any], values: dict[str, str], scope: Scope) -> Organisation | None:
        statement = _narrowed(statement, scope.organisation_id is not None, scope.ticket_id is not None)
        row = self._connection.execute(statement, {**values, **scope_values(scope)}).one_or_none()
        return None if row is None else Organisation(*row)


@cache
def _narrowed(statement: Select[Any], by_organisation: bool, by_ticket: bool, /) -> Select[Any]:
    if by_organisation:
        statement = statement.where(organisations.c.id == bindparam("scope_organisation_id"))
    if by_ticket:
        of_ticket = select(tickets.c.organisation_id).where(tickets.c.id == bindparam("scope_ticket_id"))
        statement = statement.where(organisations.c.id == of_ticket.scalar_subquery())
    return statement
