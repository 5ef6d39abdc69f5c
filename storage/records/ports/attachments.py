"""Stores of attachments, of what they take up, and of all of them at once (for fsck, sweeps and brakes)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.actor import Scope
from domain.attachment import Attachment, AttachmentState
from domain.ids import AttachmentId, BlobId, LinkId, OrganisationId, ReceiptId, TicketId


class Attachments(Protocol):
    """Attachments' rows."""

    def add(self, attachment: Attachment) -> None:
        """Insert a row in state ``receiving``."""
        ...

    def get(self, attachment_id: AttachmentId, scope: Scope) -> Attachment | None:
        """The attachment, if the scope sees its ticket."""
        ...

    def save(self, attachment: Attachment) -> None:
        """Replace the row whose version is ``attachment.version - 1`` (S-71: compare and set). Raises StateConflict."""
        ...

    def remove(self, attachment_id: AttachmentId) -> bool:
        """Delete a row that is still ``receiving``; False where there is none. Never for an acknowledged attachment."""
        ...

    def of_ticket(self, ticket_id: TicketId, scope: Scope) -> Sequence[Attachment]:
        """All of a ticket's attachments, tombstones too, oldest first; none in state ``receiving``."""
        ...

    def of_receipt(self, receipt_id: ReceiptId) -> Sequence[Attachment]:
        """What one request brought in, oldest first."""
        ...

    def count_download(self, attachment_id: AttachmentId) -> None:
        """One more download, without touching the version."""
        ...


@dataclass(frozen=True, slots=True)
class Quota:
    """What an owner (a link or a ticket) may take up, and takes up. Sizes in plaintext bytes; max None: no limit."""

    owner_id: str
    max_files: int | None
    max_bytes: int | None
    used_files: int
    used_bytes: int
    reserved_files: int
    reserved_bytes: int


class Inventory(Protocol):
    """All attachments at once; no scope, so only the service's own jobs use it."""

    def in_states(
        self,
        states: Collection[AttachmentState],
        *,
        created_before: datetime | None = None,
        after: AttachmentId | None = None,
        limit: int,
    ) -> Sequence[Attachment]:
        """Attachments in these states in the order of their ids (recovery, scans waiting, unfinished purges)."""
        ...

    def live_count(self) -> int:
        """How many attachments hold bytes (``domain.attachment.LIVE``): what the brake of S-69 measures against."""
        ...

    def organisation_bytes(self, organisation_id: OrganisationId) -> int:
        """Bytes that an organisation's tickets take up now, reserved ones among them: counted from the tickets' own
        counters, since a ticket may change its organisation."""
        ...

    def by_blobs(self, blob_ids: Collection[BlobId]) -> dict[BlobId, Attachment]:
        """The rows that name these blobs."""
        ...

    def all(self) -> Iterator[Attachment]:
        """Every row, tombstones too, in the order of ids, read in batches."""
        ...

    def miscounted(self) -> Sequence[tuple[Quota | None, Quota]]:
        """Owners whose counters differ from what their rows take up: as kept (None: not at all), as counted (S-8)."""
        ...

    def recount(self, owner_id: LinkId | TicketId) -> None:
        """Set an owner's counters to what its rows take up, in one statement."""
        ...


class Quotas(Protocol):
    """Counters moved by single conditional statements, so that parallel uploads never pass a limit (S-41)."""

    def open(self, owner_id: LinkId | TicketId, *, max_files: int | None, max_bytes: int | None) -> None:
        """Begin to count for an owner; where it is counted already, set its limits."""
        ...

    def get(self, owner_id: LinkId | TicketId) -> Quota | None:
        """The counters of an owner."""
        ...

    def claim(self, owner_id: LinkId | TicketId, *, size: int) -> None:
        """Reserve one file and ``size`` bytes. Raises TooMany or QuotaExceeded, and then nothing was reserved."""
        ...

    def extend(self, owner_id: LinkId | TicketId, *, size: int) -> bool:
        """Reserve ``size`` more bytes for a file claimed before; False where they do not fit."""
        ...

    def settle(self, owner_id: LinkId | TicketId, *, reserved: int, size: int) -> None:
        """A claimed file is complete: its reservation becomes ``size`` bytes used."""
        ...

    def give_back_claim(self, owner_id: LinkId | TicketId, *, reserved: int) -> None:
        """A claimed file came to nothing: its reservation ends."""
        ...

    def give_back_used(self, owner_id: LinkId | TicketId, *, size: int) -> None:
        """A complete file was purged: it takes up nothing any more."""
        ...

    def all(self) -> Iterator[Quota]:
        """Every owner's counters, for fsck."""
        ...
