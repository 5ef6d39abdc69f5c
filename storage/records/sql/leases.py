"""Leases in SQL: one statement takes one, and numbers whoever takes it (S-71)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, case, delete, or_, select, update

from storage.records.schema.jobs import leases
from storage.records.schema.types import EPOCH
from storage.records.sql.upsert import Upsert

_over = leases.c.until <= bindparam("now")
# A lease that ran out is taken anew even by its last owner: what that one had begun under the old number is fenced off.
_TAKE = Upsert(
    leases,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[leases.c.name],
        set_={
            "owner": insert.excluded.owner,
            "until": insert.excluded.until,
            "fence": case(
                (and_(leases.c.owner == insert.excluded.owner, leases.c.until > bindparam("now")), leases.c.fence),
                else_=leases.c.fence + 1,
            ),
        },
        where=or_(leases.c.owner == insert.excluded.owner, _over),
    ).returning(leases.c.fence),
)
# The row stays locked until the effect commits: nobody takes the lease in between. (SQLite has one writer anyway.)
_HOLDS = (
    select(leases.c.fence)
    .where(leases.c.name == bindparam("the_lease"), leases.c.fence == bindparam("the_fence"), ~_over)
    .with_for_update(read=True)
)
_GIVE_UP = (
    update(leases)
    .where(leases.c.name == bindparam("the_lease"), leases.c.fence == bindparam("the_fence"))
    .values(until=EPOCH)
)
_LIVING = select(leases.c.name).where(leases.c.name.startswith(bindparam("prefix"), autoescape=False), ~_over)
_FORGET = delete(leases).where(
    leases.c.name.startswith(bindparam("prefix"), autoescape=False), leases.c.until < bindparam("before")
)
_END_ALL = update(leases).where(leases.c.until > EPOCH).values(until=EPOCH)


class SqlLeases:
    """``ports.jobs.Leases``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, name: str, *, owner: str, now: datetime, until: datetime) -> int | None:
        values = {"name": name, "owner": owner, "until": until, "fence": 1, "now": now}
        return _TAKE.execute(self._connection, values).scalar_one_or_none()

    def holds(self, name: str, *, fence: int, now: datetime) -> bool:
        values = {"the_lease": name, "the_fence": fence, "now": now}
        return self._connection.execute(_HOLDS, values).scalar_one_or_none() is not None

    def give_up(self, name: str, *, fence: int) -> None:
        self._connection.execute(_GIVE_UP, {"the_lease": name, "the_fence": fence})

    def end_all(self) -> int:
        return self._connection.execute(_END_ALL).rowcount

    def living(self, prefix: str, *, now: datetime) -> frozenset[str]:
        return frozenset(self._connection.execute(_LIVING, {"prefix": prefix, "now": now}).scalars())

    def forget(self, prefix: str, *, before: datetime) -> int:
        return self._connection.execute(_FORGET, {"prefix": prefix, "before": before}).rowcount
