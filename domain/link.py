"""Links: capability URLs (W3C TAG, "Good Practices for Capability URLs"), their terms, and what redeeming gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import LinkExpired, LinkRevoked, LinkUsedUp
from domain.ids import AttachmentId, GrantId, LinkId, PrincipalId, ReceiptId, TicketId


class LinkKind(StrEnum):
    """What a link is for; a token of one kind never works as the other (S-50)."""

    UPLOAD = "upload"
    DOWNLOAD = "download"


@dataclass(frozen=True, slots=True)
class Terms:
    """A link's limits. ``max_files`` and ``max_bytes`` bind uploads, ``max_downloads`` downloads; None: no limit."""

    expires_at: datetime
    max_files: int | None = None
    max_bytes: int | None = None
    max_downloads: int | None = None
    allowed_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A link's row. ``recipient_sealed`` and ``note_sealed`` are sealed under the ticket's key; the recipient
    is found by ``recipient_digest``."""

    id: LinkId
    kind: LinkKind
    ticket_id: TicketId
    attachment_id: AttachmentId | None
    terms: Terms
    passcode_hash: str | None
    recipient_sealed: bytes | None
    note_sealed: bytes | None
    language: str | None
    created_at: datetime
    created_by: PrincipalId | None
    revoked_at: datetime | None
    used: int
    """Downloads counted so far (an upload link's files are counted in its quota)."""
    recipient_digest: bytes | None = None

    def check_alive(self, now: datetime) -> None:
        """Raises LinkRevoked, LinkExpired or LinkUsedUp where the link gives nothing any more."""
        if self.revoked_at is not None:
            raise LinkRevoked
        if now >= self.terms.expires_at:
            raise LinkExpired
        if self.terms.max_downloads is not None and self.used >= self.terms.max_downloads:
            raise LinkUsedUp


@dataclass(frozen=True, slots=True)
class Grant:
    """What one counted redemption of a download link gives: bytes of one attachment, up to a budget and an end."""

    id: GrantId
    link_id: LinkId
    attachment_id: AttachmentId
    created_at: datetime
    expires_at: datetime
    budget: int
    spent: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The requester's own view of what one request brought in."""

    id: ReceiptId
    ticket_id: TicketId
    link_id: LinkId | None
    created_at: datetime
