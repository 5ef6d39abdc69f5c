"""Uploads in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from domain.ids import AttachmentId, BlobId, LinkId, ReceiptId, TicketId, UploadId
from domain.upload import Upload, UploadKind, UploadState
from storage.records.schema.links import links
from storage.records.schema.uploads import upload_parts, uploads
from storage.records.sql.rows import columns_of, values_of

_c = uploads.c
_id = _c.id == bindparam("the_id")
_fence = _c.fence == bindparam("the_fence")
_UNFINISHED = (UploadState.OPEN, UploadState.RECEIVED)

_SELECT = select(*columns_of(uploads, Upload))
_ADD = insert(uploads)
_BY_DIGEST = _SELECT.where(_c.digest == bindparam("the_digest"))
_BY_ID = _SELECT.where(_id)
_SAVE = update(uploads).where(_id, _fence)
_TAKE = (
    update(uploads)
    .where(_id, _fence)
    .values(
        fence=_c.fence + 1, holder=bindparam("the_holder"), writing=bindparam("the_writing"), wanted=bindparam("no")
    )
)
_WANT = update(uploads).where(_id, _fence).values(wanted=bindparam("yes"))
_RELEASE = update(uploads).where(_id, _fence).values(holder=None, wanted=bindparam("no"))
_REMOVE_PARTS = delete(upload_parts).where(upload_parts.c.upload_id == bindparam("the_id"))
_REMOVE = delete(uploads).where(_id)

_IN_STATE = (
    _SELECT.where(_c.state == bindparam("the_state"), _c.id > bindparam("after")).order_by(_c.id).limit(bindparam("n"))
)
_OF_KIND = _IN_STATE.where(_c.kind == bindparam("the_kind"))
_EXPIRED = (
    _SELECT.where(
        _c.expires_at <= bindparam("the_instant"), _c.state != UploadState.RECEIVED, _c.id > bindparam("after")
    )
    .order_by(_c.id)
    .limit(bindparam("n"))
)
_WANTED_OF = _SELECT.where(_c.holder == bindparam("the_holder"), _c.wanted == bindparam("yes"))
_OF_ATTACHMENT = _SELECT.where(_c.attachment_id == bindparam("the_attachment_id"))
_OF_RECEIPT = _SELECT.where(_c.receipt_id == bindparam("the_receipt_id"), _c.state.in_(_UNFINISHED)).order_by(_c.id)
# By its links: there is an index of those.
_OF_TICKET = _SELECT.where(
    _c.link_id.in_(select(links.c.id).where(links.c.ticket_id == bindparam("the_ticket_id")))
).order_by(_c.id)
_COUNT_OPEN = select(func.count()).where(_c.link_id == bindparam("the_link_id"), _c.state.in_(_UNFINISHED))


class SqlUploads:
    """``ports.uploads.Uploads`` on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, upload: Upload, digest: bytes) -> None:
        self._connection.execute(_ADD, {**values_of(upload), "digest": digest})

    def by_digest(self, digest: bytes) -> Upload | None:
        return self._one(_BY_DIGEST, the_digest=digest)

    def get(self, upload_id: UploadId) -> Upload | None:
        return self._one(_BY_ID, the_id=upload_id)

    def save(self, upload: Upload) -> bool:
        changed = values_of(upload, without=("id", "fence"))
        changed |= {"the_id": upload.id, "the_fence": upload.fence}
        return self._connection.execute(_SAVE, changed).rowcount == 1

    def take(self, upload_id: UploadId, *, after: int, holder: str, writing: BlobId | None) -> bool:
        values = {"the_id": upload_id, "the_fence": after, "the_holder": holder, "the_writing": writing, "no": False}
        return self._connection.execute(_TAKE, values).rowcount == 1

    def want(self, upload_id: UploadId, *, fence: int) -> None:
        self._connection.execute(_WANT, {"the_id": upload_id, "the_fence": fence, "yes": True})

    def release(self, upload_id: UploadId, *, fence: int) -> None:
        self._connection.execute(_RELEASE, {"the_id": upload_id, "the_fence": fence, "no": False})

    def remove(self, upload_id: UploadId) -> bool:
        self._connection.execute(_REMOVE_PARTS, {"the_id": upload_id})
        return self._connection.execute(_REMOVE, {"the_id": upload_id}).rowcount == 1

    def _one(self, statement: Any, **values: Any) -> Upload | None:
        row = self._connection.execute(statement, values).one_or_none()
        return None if row is None else Upload(*row)


class SqlUploadsFound:
    """``ports.uploads.UploadsFound`` on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def in_state(
        self, state: UploadState, *, after: UploadId | None, limit: int, kind: UploadKind | None = None
    ) -> Sequence[Upload]:
        if kind is None:
            return self._all(_IN_STATE, the_state=state, after=after or "", n=limit)
        return self._all(_OF_KIND, the_state=state, the_kind=kind, after=after or "", n=limit)

    def expired(self, before: datetime, *, after: UploadId | None, limit: int) -> Sequence[Upload]:
        return self._all(_EXPIRED, the_instant=before, after=after or "", n=limit)

    def wanted_of(self, holder: str) -> Sequence[Upload]:
        return self._all(_WANTED_OF, the_holder=holder, yes=True)

    def of_attachment(self, attachment_id: AttachmentId) -> Upload | None:
        found = self._all(_OF_ATTACHMENT, the_attachment_id=attachment_id)
        return found[0] if found else None

    def of_receipt(self, receipt_id: ReceiptId) -> Sequence[Upload]:
        return self._all(_OF_RECEIPT, the_receipt_id=receipt_id)

    def of_ticket(self, ticket_id: TicketId) -> Sequence[Upload]:
        return self._all(_OF_TICKET, the_ticket_id=ticket_id)

    def count_open(self, link_id: LinkId) -> int:
        return int(self._connection.execute(_COUNT_OPEN, {"the_link_id": link_id}).scalar_one())

    def _all(self, statement: Any, **values: Any) -> list[Upload]:
        return [Upload(*row) for row in self._connection.execute(statement, values)]
