"""Grants in SQL: a budget of bytes, spent by conditional statements (S-58)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, case, delete, func, insert, select, update

from domain.ids import GrantId
from domain.link import Grant
from storage.records.schema.links import grants
from storage.records.sql.rows import values_of

_ADD = insert(grants)
_BY_DIGEST = select(grants).where(grants.c.digest == bindparam("digest"))
_SPEND = (
    update(grants)
    .where(
        grants.c.id == bindparam("the_grant"),
        grants.c.ended_at.is_(None),
        grants.c.expires_at > bindparam("now"),
        grants.c.budget - grants.c.spent >= bindparam("size"),
    )
    .values(spent=grants.c.spent + bindparam("size"))
)
_REFUND = (
    update(grants)
    .where(grants.c.id == bindparam("the_grant"))
    # Never below nothing: a refund that comes twice must not make a budget larger than it was given.
    .values(spent=case((grants.c.spent > bindparam("size"), grants.c.spent - bindparam("size")), else_=0))
)
_SWEEP = delete(grants).where(func.coalesce(grants.c.ended_at, grants.c.expires_at) < bindparam("before"))


class SqlGrants:
    """``ports.links.Grants``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, grant: Grant, digest: bytes) -> None:
        self._connection.execute(_ADD, {**values_of(grant), "digest": digest})

    def by_digest(self, digest: bytes) -> Grant | None:
        row = self._connection.execute(_BY_DIGEST, {"digest": digest}).one_or_none()
        if row is None:
            return None
        ends_at = row.expires_at if row.ended_at is None else min(row.expires_at, row.ended_at)
        return Grant(
            id=row.id,
            link_id=row.link_id,
            attachment_id=row.attachment_id,
            created_at=row.created_at,
            expires_at=ends_at,
            budget=row.budget,
            spent=row.spent,
        )

    def spend(self, grant_id: GrantId, *, size: int, now: datetime) -> bool:
        if size < 0:
            raise ValueError("a size below nothing would give, not take")
        return self._connection.execute(_SPEND, {"the_grant": grant_id, "size": size, "now": now}).rowcount == 1

    def refund(self, grant_id: GrantId, *, size: int) -> None:
        if size < 0:
            raise ValueError("a size below nothing would take, not give")
        self._connection.execute(_REFUND, {"the_grant": grant_id, "size": size})

    def sweep(self, *, before: datetime) -> int:
        return self._connection.execute(_SWEEP, {"before": before}).rowcount
