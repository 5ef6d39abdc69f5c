"""Receipts in SQL."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select

from domain.link import Receipt
from storage.records.schema.links import receipts
from storage.records.sql.rows import columns_of, values_of

_ADD = insert(receipts)
_BY_DIGEST = select(*columns_of(receipts, Receipt)).where(receipts.c.digest == bindparam("the_digest"))


class SqlReceipts:
    """``ports.links.Receipts``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, receipt: Receipt, digest: bytes) -> None:
        self._connection.execute(_ADD, {**values_of(receipt), "digest": digest})

    def by_digest(self, digest: bytes) -> Receipt | None:
        row = self._connection.execute(_BY_DIGEST, {"the_digest": digest}).one_or_none()
        return None if row is None else Receipt(*row)
