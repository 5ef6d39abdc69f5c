"""What passes between the steps of receiving: who sends, what was claimed, what was sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from crypto import Context, DataKey, SealedStream
from domain.actor import Actor
from domain.attachment import Source
from domain.ids import AttachmentId, BlobId, ReceiptId, TicketId
from domain.link import Link
from transfer.scanning import Outcome


@dataclass(frozen=True, slots=True)
class Limits:
    """What the site takes, in plaintext bytes; None: no limit."""

    max_file_size: int
    ticket_max_files: int | None = None
    ticket_max_bytes: int | None = None
    organisation_max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """Who brings files to which ticket. ``link``: the upload link it came by, as redeemed; ``allowed_types``: that
    link's. ``is_activity`` False: the ticket is no younger for it, as of a file that lay there before."""

    actor: Actor
    ticket_id: TicketId
    source: Source
    link: Link | None = None
    allowed_types: tuple[str, ...] = ()
    is_activity: bool = True


@dataclass(slots=True, eq=False)
class Claim:
    """One file's claim: a row in state ``receiving``, its key, its room. For one thread at a time.

    ``reserved``: bytes of room so far. ``ended``: acknowledged or abandoned; what is sealed after that is thrown away.
    ``receipt_id``: the receipt it has already. ``received_at``: of one that came in pieces, when its last byte was
    acknowledged: a link that expired since then takes nothing from it.
    """

    incoming: Incoming
    attachment_id: AttachmentId
    blob_id: BlobId
    name: str
    declared_size: int | None
    key: DataKey = field(repr=False)
    context: Context = field(repr=False)
    reserved: int
    ended: bool = False
    receipt_id: ReceiptId | None = None
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file whose blob is durable and verified, and whose row does not say so yet. ``sha256``: of the plaintext."""

    claim: Claim
    stream: SealedStream
    sha256: bytes
    media_type: str
    outcome: Outcome
