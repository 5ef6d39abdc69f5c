"""The store of uploads that come in pieces, and of their pieces."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from domain.ids import AttachmentId, BlobId, LinkId, ReceiptId, TicketId, UploadId
from domain.upload import Upload, UploadKind, UploadPart, UploadState


class Uploads(Protocol):
    """Uploads' rows. Tokens are looked up by their SHA-256 alone."""

    def add(self, upload: Upload, digest: bytes) -> None:
        """Keep an upload under its token's digest (32 bytes)."""
        ...

    def by_digest(self, digest: bytes) -> Upload | None:
        """The upload of a token."""
        ...

    def get(self, upload_id: UploadId) -> Upload | None:
        """An upload."""
        ...

    def save(self, upload: Upload) -> bool:
        """Replace the row, if it still has the fence of ``upload`` (S-71: compare and set); False where a newer writer
        has it, or it is gone."""
        ...

    def take(self, upload_id: UploadId, *, after: int, holder: str, writing: BlobId | None) -> bool:
        """Begin to write: the fence becomes ``after + 1``, if it is ``after`` still."""
        ...

    def want(self, upload_id: UploadId, *, fence: int) -> None:
        """Tell whoever writes under that fence that somebody else wants to."""
        ...

    def release(self, upload_id: UploadId, *, fence: int) -> None:
        """Nobody writes under that fence any more; what was being written stays named."""
        ...

    def remove(self, upload_id: UploadId) -> bool:
        """Delete an upload, its parts with it; False where there is none."""
        ...


class UploadsFound(Protocol):
    """Uploads by what they belong to: for jobs, fsck and receipts."""

    def in_state(
        self, state: UploadState, *, after: UploadId | None, limit: int, kind: UploadKind | None = None
    ) -> Sequence[Upload]:
        """Uploads in a state, of one kind or of any, in the order of their ids."""
        ...

    def expired(self, before: datetime, *, after: UploadId | None, limit: int) -> Sequence[Upload]:
        """Uploads whose time was up at an instant in the order of their ids; none that is received. Who writes to one
        may live or be dead: that is for the caller to look at."""
        ...

    def wanted_of(self, holder: str) -> Sequence[Upload]:
        """What a node writes to and somebody else wants."""
        ...

    def of_attachment(self, attachment_id: AttachmentId) -> Upload | None:
        """The upload whose claim that is."""
        ...

    def of_receipt(self, receipt_id: ReceiptId) -> Sequence[Upload]:
        """Uploads of a receipt that are no attachments yet, oldest first; none that failed."""
        ...

    def of_ticket(self, ticket_id: TicketId) -> Sequence[Upload]:
        """All of a ticket's uploads, oldest first; those that failed too."""
        ...

    def count_open(self, link_id: LinkId) -> int:
        """How many of a link's uploads are no attachments yet."""
        ...


class UploadParts(Protocol):
    """What the appends brought."""

    def add(self, part: UploadPart) -> None:
        """Keep a part."""
        ...

    def of(self, upload_id: UploadId) -> Sequence[UploadPart]:
        """An upload's parts in order."""
        ...

    def delete(self, upload_id: UploadId) -> Sequence[UploadPart]:
        """Delete an upload's parts; those whose blob no other part names."""
        ...

    def owns(self, owner_id: str) -> bool:
        """Whether any part is sealed under that owner's key."""
        ...

    def named(self, blob_ids: Collection[BlobId]) -> frozenset[BlobId]:
        """Those of the blobs that a part names, or that an upload may be writing."""
        ...

    def page(self, *, after: tuple[UploadId, int] | None, limit: int) -> Sequence[UploadPart]:
        """All parts in the order of upload and number."""
        ...
