"""What an erasure for a person did, or would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.ids import AttachmentId, CertificateId
from subjects.keeping import Kept


@dataclass(frozen=True, slots=True)
class ErasedFile:
    """A file that is gone, or would go. ``certificate_id`` None: in a dry run."""

    attachment_id: AttachmentId
    ticket: str
    certificate_id: CertificateId | None = None


@dataclass(frozen=True, slots=True)
class NotErased:
    """Something that should have gone and could not, and by what error's code; the same command goes on with it."""

    what: str
    name: str
    reason: str


@dataclass(slots=True)
class ErasureReport:
    """``request``: our id of this very run, which the audit log has too. Names are tickets' references and our ids.

    ``reason_key``: with it, and the reason as it was given, the log's commitment to the reason can be computed.
    """

    request: str
    at: datetime
    dry_run: bool
    found: bool = False
    files: list[ErasedFile] = field(default_factory=list)
    tickets: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    principals: list[str] = field(default_factory=list)
    mails: int = 0
    receipts: int = 0
    uploads: int = 0
    kept: list[Kept] = field(default_factory=list)
    failed: list[NotErased] = field(default_factory=list)
    reason_key: str | None = None

    @property
    def complete(self) -> bool:
        """Whether all that may go is gone."""
        return not self.failed
