"""One file on a ticket, its states, and which state may follow which."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import StateConflict
from domain.ids import AttachmentId, BlobId, CertificateId, LinkId, ReceiptId, TicketId


class AttachmentState(StrEnum):
    """The contract's states, and two that the outside never sees by name: ``purging``, shown as ``purged``, and
    ``damaged``, whose content answers 500."""

    RECEIVING = "receiving"
    SCANNING = "scanning"
    AVAILABLE = "available"
    QUARANTINED = "quarantined"
    DAMAGED = "damaged"
    PURGING = "purging"
    PURGED = "purged"


_S = AttachmentState
# A row that is refused while receiving is deleted, so "receiving" has no failed state.
TRANSITIONS: dict[AttachmentState, frozenset[AttachmentState]] = {
    _S.RECEIVING: frozenset({_S.SCANNING, _S.AVAILABLE, _S.QUARANTINED}),
    _S.SCANNING: frozenset({_S.AVAILABLE, _S.QUARANTINED, _S.DAMAGED, _S.PURGING}),
    _S.AVAILABLE: frozenset({_S.QUARANTINED, _S.DAMAGED, _S.PURGING}),
    _S.QUARANTINED: frozenset({_S.DAMAGED, _S.PURGING}),
    _S.DAMAGED: frozenset({_S.PURGING}),
    _S.PURGING: frozenset({_S.PURGED}),
    _S.PURGED: frozenset(),
}
LIVE = frozenset({_S.SCANNING, _S.AVAILABLE, _S.QUARANTINED, _S.DAMAGED})
"""States that hold bytes of an acknowledged attachment: what retention looks at."""


def step(now: AttachmentState, then: AttachmentState) -> AttachmentState:
    """The next state, if the table allows it. Raises StateConflict."""
    if then not in TRANSITIONS[now]:
        raise StateConflict(state=now.value)
    return then


class Source(StrEnum):
    """By what kind of actor a file came in."""

    REQUESTER = "requester"
    AGENT = "agent"
    CONTACT = "contact"
    ADMIN = "admin"
    CONNECTOR = "connector"
    MAIL = "mail"


class Scan(StrEnum):
    """What the malware scan said. ``none``: no scanner is configured, and everything that shows the file says so."""

    NONE = "none"
    PENDING = "pending"
    CLEAN = "clean"
    INFECTED = "infected"
    UNSCANNABLE = "unscannable"


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment's row. Sizes in bytes; ``sha256`` of the plaintext, ``sealed_sha256`` of the sealed stream.

    ``name_sealed`` is sealed under the attachment's data key. A tombstone (state ``purged``) keeps no name, no
    plaintext digest, no media type: ids, instants, sizes and the certificate. ``node``: the
    serving process that received it, a random id; while it lives, nobody else ends what is still receiving.
    """

    id: AttachmentId
    ticket_id: TicketId
    link_id: LinkId | None
    receipt_id: ReceiptId | None
    blob_id: BlobId
    name_sealed: bytes | None
    declared_size: int | None
    reserved_bytes: int
    size: int | None
    sealed_size: int | None
    sha256: bytes | None
    sealed_sha256: bytes | None
    commitment: bytes | None
    segment_size: int
    stream_format: int
    media_type: str | None
    state: AttachmentState
    scan: Scan
    scanned_by: str | None
    source: Source
    created_at: datetime
    available_at: datetime | None
    download_count: int
    purge_reason: str | None
    purged_at: datetime | None
    certificate_id: CertificateId | None
    version: int
    node: str | None = None
