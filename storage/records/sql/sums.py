"""What attachments' rows take up, summed by owner in SQL: what the counters of ``quotas`` must equal (S-8).

A row that is being received takes up what it reserved, every other one that still has bytes its plaintext size; a
tombstone takes up nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, bindparam, case, cast, func, or_, select, update

from domain.attachment import AttachmentState
from storage.records.ports.attachments import Quota
from storage.records.schema.core import attachments, quotas
from storage.records.sql.rows import columns_of

_receiving = attachments.c.state == AttachmentState.RECEIVING
_COUNTERS = ("used_files", "used_bytes", "reserved_files", "reserved_bytes")


def _sums(receiving: ColumnElement[bool], size: ColumnElement[int], reserved: ColumnElement[int]) -> list[Any]:
    """The four counters over some rows. PostgreSQL sums to NUMERIC, hence the casts."""
    each = (
        case((receiving, 0), else_=1),
        case((receiving, 0), else_=func.coalesce(size, 0)),
        case((receiving, 1), else_=0),
        case((receiving, reserved), else_=0),
    )
    return [
        cast(func.coalesce(func.sum(one), 0), BigInteger).label(name) for one, name in zip(each, _COUNTERS, strict=True)
    ]


def _rows_of(owner: ColumnElement[Any]) -> Any:
    return select(
        owner.label("owner_id"),
        _receiving.label("receiving"),
        attachments.c.size.label("size"),
        attachments.c.reserved_bytes.label("reserved"),
    ).where(owner.is_not(None), attachments.c.state != AttachmentState.PURGED)


_taken = _rows_of(attachments.c.ticket_id).union_all(_rows_of(attachments.c.link_id)).subquery("taken")
_counted = (
    select(_taken.c.owner_id, *_sums(_taken.c.receiving, _taken.c.size, _taken.c.reserved))
    .group_by(_taken.c.owner_id)
    .subquery("counted")
)
_differs = or_(*(quotas.c[name] != func.coalesce(_counted.c[name], 0) for name in _COUNTERS))
_kept = columns_of(quotas, Quota)
_should = [func.coalesce(_counted.c[name], 0).label(f"counted_{name}") for name in _COUNTERS]
_WRONG = (
    select(*_kept, *_should)
    .select_from(quotas.outerjoin(_counted, quotas.c.owner_id == _counted.c.owner_id))
    .where(_differs)
    .order_by(quotas.c.owner_id)
)
_MISSING = (
    select(_counted.c.owner_id, *(_counted.c[name] for name in _COUNTERS))
    .select_from(_counted.outerjoin(quotas, quotas.c.owner_id == _counted.c.owner_id))
    .where(quotas.c.owner_id.is_(None))
    .order_by(_counted.c.owner_id)
)

_of_owner = and_(
    or_(attachments.c.ticket_id == bindparam("owner"), attachments.c.link_id == bindparam("owner")),
    attachments.c.state != AttachmentState.PURGED,
)
_RECOUNT = (
    update(quotas)
    .where(quotas.c.owner_id == bindparam("owner"))
    .values(
        {
            quotas.c[one.name]: select(one).where(_of_owner).scalar_subquery()
            for one in _sums(_receiving, attachments.c.size, attachments.c.reserved_bytes)
        }
    )
)


def miscounted(connection: Connection) -> Sequence[tuple[Quota | None, Quota]]:
    """Counters as kept (None: not at all) and as counted, where they differ; in the order of owners' ids."""
    found: list[tuple[Quota | None, Quota]] = []
    for row in connection.execute(_WRONG):
        kept = Quota(*row[: len(_kept)])
        found.append((kept, Quota(kept.owner_id, kept.max_files, kept.max_bytes, *row[len(_kept) :])))
    found += [(None, Quota(owner_id, None, None, *counters)) for owner_id, *counters in connection.execute(_MISSING)]
    return sorted(found, key=lambda pair: pair[1].owner_id)


def recount(connection: Connection, owner_id: str) -> None:
    """Set an owner's counters to what its rows take up."""
    connection.execute(_RECOUNT, {"owner": owner_id})
