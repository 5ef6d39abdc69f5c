"""An upload that may come in pieces (tus 1.0, IETF resumable uploads), and what is kept of it until it is complete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.ids import AttachmentId, BlobId, LinkId, ReceiptId, TicketId, UploadId

KEPT_FOR = timedelta(hours=24)
"""How long an upload waits for its next bytes, and how long what became of it can be asked for (S-49)."""
EVIDENCE_FOR = timedelta(days=7)
"""How long an upload that is all there and cannot be read is kept after its time: until its store is mended."""


class UploadKind(StrEnum):
    """A file of its own; a piece that only a concatenation makes a file of; a concatenation."""

    WHOLE = "whole"
    PARTIAL = "partial"
    FINAL = "final"


class UploadState(StrEnum):
    """``open``: bytes are missing. ``received``: all are kept, and being made an attachment of. ``complete``: the
    attachment is there; of a partial one, all its bytes are. ``joined``: a partial one that a concatenation has taken.
    ``failed``: what it would have become was refused; nothing of it is left but this row."""

    OPEN = "open"
    RECEIVED = "received"
    COMPLETE = "complete"
    JOINED = "joined"
    FAILED = "failed"


ENDED = frozenset({UploadState.COMPLETE, UploadState.JOINED, UploadState.FAILED})
"""States in which no more bytes come."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest that was announced: ``algorithm`` is ``sha1``, ``sha256``, ``sha512`` or ``crc32`` (four bytes, the most
    significant first)."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload's row. Sizes in plaintext bytes.

    ``offset``: bytes that are durable, and so acknowledged: it never goes down. ``length``: None while it is deferred.
    ``attachment_id``: its claim, a row in state ``receiving`` that holds slot and room. ``repr_algorithm`` and
    ``repr_digest``: what the whole file was announced to be. ``metadata_sealed``: as the client sent it, under the
    attachment's key. ``failure``: the code of what was wrong with it; of a received one, of why no attachment can be
    made of it as its parts are now.

    One writes at a time: ``fence`` is the number of the last that began to, ``holder`` the node on which it is at it
    (None: nobody is), ``wanted``: somebody else wants it, ``writing``: the blob it may have begun.
    """

    id: UploadId
    attachment_id: AttachmentId
    ticket_id: TicketId
    link_id: LinkId
    receipt_id: ReceiptId | None
    kind: UploadKind
    state: UploadState
    length: int | None
    offset: int
    metadata_sealed: bytes | None
    repr_algorithm: str | None
    repr_digest: bytes | None
    created_at: datetime
    expires_at: datetime
    fence: int = 0
    holder: str | None = None
    wanted: bool = False
    writing: BlobId | None = None
    failure: str | None = None

    @property
    def repr_checksum(self) -> Checksum | None:
        """What the whole file was announced to be."""
        if self.repr_algorithm is None or self.repr_digest is None:
            return None
        return Checksum(self.repr_algorithm, self.repr_digest)

    @property
    def received_at(self) -> datetime | None:
        """When its last byte was acknowledged, of one that is being made an attachment of."""
        return self.expires_at - KEPT_FOR if self.state is UploadState.RECEIVED else None

    @property
    def is_damaged(self) -> bool:
        """Whether every byte was acknowledged, and they cannot be read any more."""
        return self.state is UploadState.RECEIVED and self.failure is not None

    @property
    def is_complete(self) -> bool:
        """Whether every byte is kept."""
        return self.length is not None and self.offset == self.length


@dataclass(frozen=True, slots=True)
class UploadPart:
    """What one append brought: a sealed stream and a blob of its own (S-34). ``start`` and ``size`` in plaintext.

    ``owner_id``: whose key it is sealed under. An upload's; or the attachment's, of a file that was being sealed at
    once and broke off.
    """

    upload_id: UploadId
    number: int
    blob_id: BlobId
    owner_id: str
    start: int
    size: int
    sealed_size: int
    sealed_sha256: bytes
    commitment: bytes
