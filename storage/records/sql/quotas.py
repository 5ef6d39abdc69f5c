"""Quotas in SQL: every move is one conditional statement, so no two uploads can take the same room (S-41)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Update, bindparam, insert, or_, select, update

from domain.errors import NotFound, QuotaExceeded, StateConflict, TooMany
from domain.ids import LinkId, TicketId
from storage.records.ports.attachments import Quota
from storage.records.schema.core import quotas
from storage.records.sql.conflict import insert_new
from storage.records.sql.rows import columns_of, values_of

_BATCH = 500

_c = quotas.c
_owner = _c.owner_id == bindparam("owner")
_size: Any = bindparam("the_size")
_reserved: Any = bindparam("the_reserved")
_bytes_fit = or_(_c.max_bytes.is_(None), _c.used_bytes + _c.reserved_bytes + _size <= _c.max_bytes)
_files_fit = or_(_c.max_files.is_(None), _c.used_files + _c.reserved_files + 1 <= _c.max_files)
_is_claimed = (_c.reserved_files >= 1) & (_c.reserved_bytes >= _reserved)

_SELECT = select(*columns_of(quotas, Quota))
_BY_OWNER = _SELECT.where(_owner)
_FROM = _SELECT.where(_c.owner_id > bindparam("after")).order_by(_c.owner_id).limit(bindparam("limit"))
_INSERT = insert(quotas)
_SET_LIMITS = (
    update(quotas).where(_owner).values(max_files=bindparam("the_max_files"), max_bytes=bindparam("the_max_bytes"))
)
_CLAIM = (
    update(quotas)
    .where(_owner, _files_fit, _bytes_fit)
    .values(reserved_files=_c.reserved_files + 1, reserved_bytes=_c.reserved_bytes + _size)
)
_EXTEND = (
    update(quotas).where(_owner, _c.reserved_files >= 1, _bytes_fit).values(reserved_bytes=_c.reserved_bytes + _size)
)
_SETTLE = (
    update(quotas)
    .where(_owner, _is_claimed)
    .values(
        reserved_files=_c.reserved_files - 1,
        reserved_bytes=_c.reserved_bytes - _reserved,
        used_files=_c.used_files + 1,
        used_bytes=_c.used_bytes + _size,
    )
)
_GIVE_BACK_CLAIM = (
    update(quotas)
    .where(_owner, _is_claimed)
    .values(reserved_files=_c.reserved_files - 1, reserved_bytes=_c.reserved_bytes - _reserved)
)
_GIVE_BACK_USED = (
    update(quotas)
    .where(_owner, _c.used_files >= 1, _c.used_bytes >= _size)
    .values(used_files=_c.used_files - 1, used_bytes=_c.used_bytes - _size)
)


class SqlQuotas:
    """``ports.attachments.Quotas`` on a connection.

    Sizes below 0 are a bug (ValueError). Settling or giving back what was not taken raises StateConflict and changes
    nothing: a counter is never negative. A file is settled with no more than was reserved for it; ``extend`` first.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(self, owner_id: LinkId | TicketId, *, max_files: int | None, max_bytes: int | None) -> None:
        if not self._moved(_SET_LIMITS, owner=owner_id, the_max_files=max_files, the_max_bytes=max_bytes):
            insert_new(self._connection, _INSERT, values_of(Quota(owner_id, max_files, max_bytes, 0, 0, 0, 0)))

    def get(self, owner_id: LinkId | TicketId) -> Quota | None:
        row = self._connection.execute(_BY_OWNER, {"owner": owner_id}).one_or_none()
        return None if row is None else Quota(*row)

    def claim(self, owner_id: LinkId | TicketId, *, size: int) -> None:
        _check(size)
        if self._moved(_CLAIM, owner=owner_id, the_size=size):
            return
        quota = self.get(owner_id)
        if quota is None:
            raise NotFound
        if quota.max_files is not None and quota.used_files + quota.reserved_files >= quota.max_files:
            raise TooMany(max_files=quota.max_files)
        raise QuotaExceeded(max_bytes=quota.max_bytes)

    def extend(self, owner_id: LinkId | TicketId, *, size: int) -> bool:
        _check(size)
        return self._moved(_EXTEND, owner=owner_id, the_size=size)

    def settle(self, owner_id: LinkId | TicketId, *, reserved: int, size: int) -> None:
        _check(reserved, size)
        if size > reserved:
            raise ValueError("more than was reserved")
        self._must_move(_SETTLE, owner=owner_id, the_reserved=reserved, the_size=size)

    def give_back_claim(self, owner_id: LinkId | TicketId, *, reserved: int) -> None:
        _check(reserved)
        self._must_move(_GIVE_BACK_CLAIM, owner=owner_id, the_reserved=reserved)

    def give_back_used(self, owner_id: LinkId | TicketId, *, size: int) -> None:
        _check(size)
        self._must_move(_GIVE_BACK_USED, owner=owner_id, the_size=size)

    def all(self) -> Iterator[Quota]:
        after = ""
        while batch := [Quota(*row) for row in self._connection.execute(_FROM, {"after": after, "limit": _BATCH})]:
            yield from batch
            after = batch[-1].owner_id

    def _moved(self, statement: Update, **values: Any) -> bool:
        return self._connection.execute(statement, values).rowcount == 1

    def _must_move(self, statement: Update, **values: Any) -> None:
        if not self._moved(statement, **values):
            raise StateConflict("This was not taken from the quota.")


def _check(*sizes: int) -> None:
    if any(size < 0 for size in sizes):
        raise ValueError("a size below zero")
