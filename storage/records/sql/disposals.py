"""What is due, in SQL.

A due date stands on the ticket alone: moving it moves all of its files, and nothing can disagree with it. The walk goes
along the index of tickets' dates and, for each ticket, along the index of its attachments; neither tickets of which
nothing is left (erased) nor rows of ``attachments`` are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal, not_, or_, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from domain.actor import Scope
from domain.attachment import LIVE
from domain.disposal import DueItem
from domain.ids import AttachmentId
from storage.records.schema.core import attachments, tickets
from storage.records.schema.types import Id, Instant
from storage.records.sql.held import IS_HELD
from storage.records.sql.scope import narrow, scope_values


class _Judged(FunctionElement[Any]):
    """A column as a term that no index answers, where the planner has no statistics: SQLite would rather begin with the
    index on states, read every live attachment there is and sort them (6 s for the first page of a million, against
    3 ms). PostgreSQL counts what a column holds, and must see it. The tests of the plans would tell."""

    inherit_cache = True
    name = "judged"


@compiles(_Judged, "sqlite")
def _judged_by_nobody(element: _Judged, compiler: Any, **how: Any) -> str:
    return f"coalesce({compiler.process(element.clauses, **how)}, '')"


@compiles(_Judged, "postgresql")
def _judged_by_statistics(element: _Judged, compiler: Any, **how: Any) -> str:
    return str(compiler.process(element.clauses, **how))


_is_live = _Judged(attachments.c.state).in_(sorted(LIVE))
_joined = tickets.join(attachments, attachments.c.ticket_id == tickets.c.id)
_is_due = (tickets.c.purge_due_at <= bindparam("before")) & tickets.c.erased_at.is_(None)

_COUNT = select(func.count()).select_from(_joined).where(_is_due, _is_live, not_(IS_HELD))
_TICKET_OF = select(attachments.c.ticket_id).where(attachments.c.id == bindparam("the_id"))


class SqlDisposals:
    """``ports.disposals.Disposals`` on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def due(
        self,
        before: datetime,
        scope: Scope,
        *,
        after: tuple[datetime, AttachmentId] | None,
        limit: int,
        held: bool | None,
    ) -> Sequence[DueItem]:
        values: dict[str, Any] = {"before": before, "limit": limit, **scope_values(scope)}
        if after is not None:
            # Without the row (never so for an acknowledged attachment) its instant begins anew: twice, never skipped.
            ticket_id = self._connection.execute(_TICKET_OF, {"the_id": after[1]}).scalar_one_or_none()
            values |= {"after_at": after[0], "after_ticket_id": ticket_id or "", "after_id": after[1]}
        statement = narrow(_due(after is not None, held), tickets.c.id, scope)
        return [DueItem(*row) for row in self._connection.execute(statement, values)]

    def due_count(self, before: datetime) -> int:
        return int(self._connection.execute(_COUNT, {"before": before}).scalar_one())

    def item(self, attachment_id: AttachmentId) -> DueItem | None:
        row = self._connection.execute(_ITEM, {"the_id": attachment_id}).one_or_none()
        return None if row is None else DueItem(*row)


def _items(is_held: Any) -> Select[Any]:
    return select(
        attachments.c.id,
        attachments.c.ticket_id,
        tickets.c.purge_due_at,
        tickets.c.retention_class,
        tickets.c.retention_rule,
        is_held,
    ).select_from(_joined)


_ITEM = _items(IS_HELD).where(attachments.c.id == bindparam("the_id"), tickets.c.purge_due_at.is_not(None), _is_live)


@cache
def _due(goes_on: bool, held: bool | None, /) -> Select[Any]:
    """The page's statement: six of them, each built once."""
    statement = _items(IS_HELD if held is None else literal(held).label("held")).where(_is_due, _is_live)
    if held is not None:
        statement = statement.where(IS_HELD if held else not_(IS_HELD))
    if goes_on:
        place = tuple_(tickets.c.purge_due_at, tickets.c.id)
        # In a tuple nothing tells a parameter its type.
        reached = tuple_(bindparam("after_at", type_=Instant()), bindparam("after_ticket_id", type_=Id))
        # The first comparison is a range of the index, the second is about the ticket on which the last page ended.
        statement = statement.where(place >= reached, or_(place > reached, attachments.c.id > bindparam("after_id")))
    return statement.order_by(tickets.c.purge_due_at, tickets.c.id, attachments.c.id).limit(bindparam("limit"))
