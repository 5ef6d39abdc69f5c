"""The caller's scope in SQL (S-59): no read of a store gets by without it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, select

from domain.actor import Scope
from storage.records.schema.core import tickets


def narrow(statement: Select[Any], ticket_id: ColumnElement[Any], scope: Scope) -> Select[Any]:
    """The statement, limited to tickets that the scope sees; ``ticket_id`` is its column that names the ticket.

    The result is built once for a statement and a shape of scope; execute it with ``scope_values(scope)`` added.
    """
    return _narrowed(statement, ticket_id, scope.organisation_id is not None, scope.ticket_id is not None)


def scope_values(scope: Scope) -> dict[str, str]:
    """The parameters that ``narrow`` asks for."""
    values: dict[str, str] = {}
    if scope.organisation_id is not None:
        values["scope_organisation_id"] = scope.organisation_id
    if scope.ticket_id is not None:
        values["scope_ticket_id"] = scope.ticket_id
    return values


@lru_cache(maxsize=256)
def _narrowed(
    statement: Select[Any], ticket_id: ColumnElement[Any], by_organisation: bool, by_ticket: bool, /
) -> Select[Any]:
    if by_organisation:
        of_organisation = tickets.c.organisation_id == bindparam("scope_organisation_id")
        if ticket_id is not tickets.c.id:
            seen = tickets.alias("seen_tickets")
            of_organisation = (
                select(seen.c.id)
                .where(seen.c.id == ticket_id, seen.c.organisation_id == bindparam("scope_organisation_id"))
                .exists()
            )
        statement = statement.where(of_organisation)
    if by_ticket:
        statement = statement.where(ticket_id == bindparam("scope_ticket_id"))
    return statement
