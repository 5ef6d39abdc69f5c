"""Receipts in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select

from domain.ids import TicketId
from domain.link import Receipt
from storage.records.schema.links import receipts
from storage.records.sql.rows import columns_of, values_of

_ADD = insert(receipts)
_BY_DIGEST = select(*columns_of(receipts, Receipt)).where(receipts.c.digest == bindparam("the_digest"))
_of_ticket = receipts.c.ticket_id == bindparam("the_ticket")
_OF_TICKET = select(*columns_of(receipts, Receipt)).where(_of_ticket).order_by(receipts.c.id)
_REMOVE_OF_TICKET = delete(receipts).where(_of_ticket)


class SqlReceipts:
    """``ports.links.Receipts``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, receipt: Receipt, digest: bytes) -> None:
        self._connection.execute(_ADD, {**values_of(receipt), "digest": digest})

    def by_digest(self, digest: bytes) -> Receipt | None:
        row = self._connection.execute(_BY_DIGEST, {"the_digest": digest}).one_or_none()
        return None if row is None else Receipt(*row)

    def of_ticket(self, ticket_id: TicketId) -> Sequence[Receipt]:
        return [Receipt(*row) for row in self._connection.execute(_OF_TICKET, {"the_ticket": ticket_id})]

    def remove_of_ticket(self, ticket_id: TicketId) -> int:
        return self._connection.execute(_REMOVE_OF_TICKET, {"the_ticket": ticket_id}).rowcount
