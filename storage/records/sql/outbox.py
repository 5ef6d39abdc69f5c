"""Mails to send, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from domain.ids import TicketId
from storage.records.ports.jobs import Mail
from storage.records.schema.jobs import outbox
from storage.records.sql.rows import columns_of, values_of

_ADD = insert(outbox)
_WAITING = (
    select(*columns_of(outbox, Mail))
    .where(outbox.c.next_at <= bindparam("now"), outbox.c.expires_at > bindparam("now"))
    .order_by(outbox.c.next_at, outbox.c.id)
    .limit(bindparam("how_many"))
)
_PAGE = (
    select(*columns_of(outbox, Mail))
    .where(outbox.c.id > bindparam("after"))
    .order_by(outbox.c.id)
    .limit(bindparam("n"))
)
_PUT_OFF = (
    update(outbox)
    .where(outbox.c.id == bindparam("the_mail"))
    .values(attempts=outbox.c.attempts + 1, next_at=bindparam("new_next_at"))
)
_REMOVE = delete(outbox).where(outbox.c.id == bindparam("the_mail"))
_REMOVE_OF_TICKET = delete(outbox).where(outbox.c.ticket_id == bindparam("the_ticket"))
_SWEEP = delete(outbox).where(outbox.c.expires_at <= bindparam("now"))


class SqlOutbox:
    """``ports.jobs.Outbox``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, mail: Mail) -> None:
        self._connection.execute(_ADD, values_of(mail))

    def waiting(self, now: datetime, *, limit: int) -> Sequence[Mail]:
        return [Mail(*row) for row in self._connection.execute(_WAITING, {"now": now, "how_many": limit})]

    def page(self, *, after: str | None, limit: int) -> Sequence[Mail]:
        return [Mail(*row) for row in self._connection.execute(_PAGE, {"after": after or "", "n": limit})]

    def put_off(self, mail_id: str, *, next_at: datetime) -> None:
        self._connection.execute(_PUT_OFF, {"the_mail": mail_id, "new_next_at": next_at})

    def remove(self, mail_id: str) -> None:
        self._connection.execute(_REMOVE, {"the_mail": mail_id})

    def remove_of_ticket(self, ticket_id: TicketId) -> int:
        return self._connection.execute(_REMOVE_OF_TICKET, {"the_ticket": ticket_id}).rowcount

    def sweep(self, now: datetime) -> int:
        return self._connection.execute(_SWEEP, {"now": now}).rowcount
