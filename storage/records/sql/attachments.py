"""Attachments' rows in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from domain.actor import Scope
from domain.attachment import Attachment, AttachmentState
from domain.errors import NotFound, StateConflict
from domain.ids import AttachmentId, ReceiptId, TicketId
from storage.records.schema.core import attachments, tickets
from storage.records.sql.conflict import insert_new
from storage.records.sql.rows import columns_of, values_of
from storage.records.sql.scope import narrow, scope_values

_SELECT = select(*columns_of(attachments, Attachment))
_BY_ID = _SELECT.where(attachments.c.id == bindparam("the_id"))
_OF_TICKET = _SELECT.where(
    attachments.c.ticket_id == bindparam("the_ticket_id"), attachments.c.state != AttachmentState.RECEIVING
).order_by(attachments.c.id)
_OF_RECEIPT = _SELECT.where(
    attachments.c.receipt_id == bindparam("the_receipt_id"), attachments.c.state != AttachmentState.RECEIVING
).order_by(attachments.c.id)
_INSERT = insert(attachments)
_SAVE = update(attachments).where(
    attachments.c.id == bindparam("the_id"), attachments.c.version == bindparam("the_version")
)
_REMOVE = delete(attachments).where(
    attachments.c.id == bindparam("the_id"), attachments.c.state == AttachmentState.RECEIVING
)
_COUNT_DOWNLOAD = (
    update(attachments)
    .where(attachments.c.id == bindparam("the_id"))
    .values(download_count=attachments.c.download_count + 1)
)
_ERASED_AT = select(tickets.c.erased_at).where(tickets.c.id == bindparam("the_id"))


class SqlAttachments:
    """``ports.attachments.Attachments`` on a connection. Ids are UUIDv7: the order of ids is the order of arrival."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, attachment: Attachment) -> None:
        """Insert a row. Raises NotFound where there is no such ticket, StateConflict where it is erased: its key is
        gone, and what is due is looked for among tickets that are not erased."""
        ticket = self._connection.execute(_ERASED_AT, {"the_id": attachment.ticket_id}).one_or_none()
        if ticket is None:
            raise NotFound
        if ticket.erased_at is not None:
            raise StateConflict("This ticket has been erased.")
        insert_new(self._connection, _INSERT, values_of(attachment))

    def get(self, attachment_id: AttachmentId, scope: Scope) -> Attachment | None:
        statement = narrow(_BY_ID, attachments.c.ticket_id, scope)
        row = self._connection.execute(statement, {"the_id": attachment_id, **scope_values(scope)}).one_or_none()
        return None if row is None else Attachment(*row)

    def save(self, attachment: Attachment) -> None:
        # Downloads are counted beside the version; a value read earlier must not undo them.
        changed = values_of(attachment, without=("id", "download_count"))
        changed |= {"the_id": attachment.id, "the_version": attachment.version - 1}
        if self._connection.execute(_SAVE, changed).rowcount == 0:
            raise StateConflict(state=attachment.state.value)

    def remove(self, attachment_id: AttachmentId) -> bool:
        return self._connection.execute(_REMOVE, {"the_id": attachment_id}).rowcount == 1

    def of_ticket(self, ticket_id: TicketId, scope: Scope) -> Sequence[Attachment]:
        statement = narrow(_OF_TICKET, attachments.c.ticket_id, scope)
        rows = self._connection.execute(statement, {"the_ticket_id": ticket_id, **scope_values(scope)})
        return [Attachment(*row) for row in rows]

    def of_receipt(self, receipt_id: ReceiptId) -> Sequence[Attachment]:
        return [Attachment(*row) for row in self._connection.execute(_OF_RECEIPT, {"the_receipt_id": receipt_id})]

    def count_download(self, attachment_id: AttachmentId) -> None:
        self._connection.execute(_COUNT_DOWNLOAD, {"the_id": attachment_id})
