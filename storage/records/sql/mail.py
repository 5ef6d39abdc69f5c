"""What is remembered of mails, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from domain.ids import TicketId
from domain.mail import MailPart, MailState
from storage.records.schema.mail import mail_deliveries
from storage.records.sql.rows import columns_of, values_of

_THE_MAIL = (
    mail_deliveries.c.digest == bindparam("the_digest"),
    mail_deliveries.c.ticket_id == bindparam("the_ticket"),
)
_FIND = select(*columns_of(mail_deliveries, MailPart)).where(*_THE_MAIL).order_by(mail_deliveries.c.part)
_ADD = insert(mail_deliveries)
_RELAYED = update(mail_deliveries).where(*_THE_MAIL).values(state=bindparam("new_state"), relayed_at=bindparam("now"))
_FORGET = delete(mail_deliveries).where(mail_deliveries.c.ticket_id == bindparam("the_ticket"))
_SWEEP = delete(mail_deliveries).where(mail_deliveries.c.kept_at < bindparam("before"))


class SqlMailDeliveries:
    """``ports.mail.MailDeliveries``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, digest: bytes, ticket_id: TicketId) -> Sequence[MailPart]:
        found = self._connection.execute(_FIND, {"the_digest": digest, "the_ticket": ticket_id})
        return [MailPart(*row) for row in found]

    def add(self, parts: Sequence[MailPart]) -> None:
        if parts:
            self._connection.execute(_ADD, [values_of(one) for one in parts])

    def mark_relayed(self, digest: bytes, ticket_id: TicketId, *, at: datetime) -> None:
        values = {"the_digest": digest, "the_ticket": ticket_id, "new_state": MailState.RELAYED, "now": at}
        self._connection.execute(_RELAYED, values)

    def forget(self, ticket_id: TicketId) -> int:
        return self._connection.execute(_FORGET, {"the_ticket": ticket_id}).rowcount

    def sweep(self, before: datetime) -> int:
        return self._connection.execute(_SWEEP, {"before": before}).rowcount
