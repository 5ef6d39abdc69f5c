"""What fsck finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """What can be wrong."""

    BLOB_MISSING = "blob-missing"
    BLOB_UNREADABLE = "blob-unreadable"
    SIZE_DIFFERS = "size-differs"
    DIGEST_DIFFERS = "digest-differs"
    KEY_MISSING = "key-missing"
    LINK_MISSING = "link-missing"
    CERTIFICATE_MISSING = "certificate-missing"
    BLOB_ORPHAN = "blob-orphan"
    BLOB_UNFINISHED = "blob-unfinished"
    TOMBSTONE_BLOB = "tombstone-blob"
    TOMBSTONE_KEY = "tombstone-key"
    KEY_ORPHAN = "key-orphan"
    GENERATION_UNKNOWN = "generation-unknown"
    QUOTA_WRONG = "quota-wrong"
    JOURNAL_GAP = "journal-gap"
    UPLOAD_STALE = "upload-stale"
    PURGE_UNFINISHED = "purge-unfinished"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: our id of what it is about, and what was found, in ids, counts and states."""

    kind: FindingKind
    subject_id: str
    detail: str
    repaired: bool = False
