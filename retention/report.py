"""What a run of the purge did, or would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.disposal import DueItem
from domain.ids import AttachmentId, CertificateId

LISTED = 10_000
"""How many items a report lists at the most; the numbers beside the lists are always whole."""


@dataclass(frozen=True, slots=True)
class Purged:
    """An attachment that is gone."""

    attachment_id: AttachmentId
    certificate_id: CertificateId


@dataclass(frozen=True, slots=True)
class Failed:
    """An attachment that could not be erased now: the code of the error; the next run tries again."""

    attachment_id: AttachmentId
    reason: str


@dataclass(slots=True)
class PurgeReport:
    """``due``: attachments due at ``now`` and kept by no hold. ``held``: due, but a hold keeps them.

    ``resumed``: how many of the purged ones an earlier run had begun. ``would_purge`` lists what a dry run found.
    """

    now: datetime
    dry_run: bool
    due: int = 0
    held: int = 0
    purged: int = 0
    resumed: int = 0
    tickets_erased: int = 0
    tickets_failed: int = 0
    items: list[Purged] = field(default_factory=list)
    would_purge: list[DueItem] = field(default_factory=list)
    kept_by_hold: list[DueItem] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all that was due is gone (what a hold keeps is not due)."""
        return not self.failed and not self.tickets_failed
