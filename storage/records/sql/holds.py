"""Legal holds in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection, bindparam, func, insert, or_, select, tuple_, update

from domain.disposal import Hold
from domain.ids import HoldId, OrganisationId, PrincipalId, TicketId
from storage.records.schema.core import holds, tickets
from storage.records.schema.types import Day, Id
from storage.records.sql.conflict import insert_new
from storage.records.sql.held import IS_HELD
from storage.records.sql.rows import columns_of, values_of

_IN_FORCE = select(*columns_of(holds, Hold)).where(holds.c.released_at.is_(None))
_ON_TICKET = _IN_FORCE.where(
    or_(
        holds.c.ticket_id == bindparam("the_id"),
        holds.c.ticket_id == select(tickets.c.merged_into).where(tickets.c.id == bindparam("the_id")).scalar_subquery(),
        holds.c.organisation_id
        == select(tickets.c.organisation_id).where(tickets.c.id == bindparam("the_id")).scalar_subquery(),
    )
).order_by(holds.c.id)
_ON_ORGANISATION = _IN_FORCE.where(holds.c.organisation_id == bindparam("the_id"))
_PAGE = _IN_FORCE.where(holds.c.id > bindparam("after")).order_by(holds.c.id).limit(bindparam("limit"))
_is_before = holds.c.review_on < bindparam("before")
_COUNT_REVIEW = select(func.count()).select_from(holds).where(holds.c.released_at.is_(None), _is_before)
# In a tuple nothing tells a parameter its type.
_reached = tuple_(bindparam("after_day", type_=Day()), bindparam("after", type_=Id))
_BY_REVIEW = (
    _IN_FORCE.where(tuple_(holds.c.review_on, holds.c.id) > _reached)
    .order_by(holds.c.review_on, holds.c.id)
    .limit(bindparam("limit"))
)
_BY_REVIEW_BEFORE = _BY_REVIEW.where(_is_before)
_IS_HELD = select(tickets.c.id).where(tickets.c.id == bindparam("the_id"), IS_HELD)
_INSERT = insert(holds)
_RELEASE = update(holds).where(holds.c.id == bindparam("the_id"), holds.c.released_at.is_(None))


class SqlHolds:
    """``ports.disposals.Holds`` on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, hold: Hold) -> None:
        insert_new(self._connection, _INSERT, values_of(hold))

    def release(self, hold_id: HoldId, *, at: datetime, by: PrincipalId | None, reason_sealed: bytes | None) -> bool:
        values = {"the_id": hold_id, "released_at": at, "released_by": by, "release_reason_sealed": reason_sealed}
        return self._connection.execute(_RELEASE, values).rowcount == 1

    def on_ticket(self, ticket_id: TicketId) -> Sequence[Hold]:
        return [Hold(*row) for row in self._connection.execute(_ON_TICKET, {"the_id": ticket_id})]

    def on_organisation(self, organisation_id: OrganisationId) -> Hold | None:
        row = self._connection.execute(_ON_ORGANISATION, {"the_id": organisation_id}).one_or_none()
        return None if row is None else Hold(*row)

    def held(self, ticket_id: TicketId) -> bool:
        return self._connection.execute(_IS_HELD, {"the_id": ticket_id}).first() is not None

    def in_force(self, *, after: HoldId | None, limit: int) -> Sequence[Hold]:
        return [Hold(*row) for row in self._connection.execute(_PAGE, {"after": after or "", "limit": limit})]

    def by_review(self, before: date | None, *, after: tuple[date, HoldId] | None, limit: int) -> Sequence[Hold]:
        day, hold_id = after or (date.min, "")
        values = {"after_day": day, "after": hold_id, "limit": limit}
        if before is None:
            return [Hold(*row) for row in self._connection.execute(_BY_REVIEW, values)]
        return [Hold(*row) for row in self._connection.execute(_BY_REVIEW_BEFORE, {**values, "before": before})]

    def count_review(self, before: date) -> int:
        return int(self._connection.execute(_COUNT_REVIEW, {"before": before}).scalar_one())
