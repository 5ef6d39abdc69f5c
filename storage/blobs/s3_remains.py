"""All that there is of a blob in a bucket: versions, delete markers, unfinished uploads; and how it goes (S-38).

In a versioned bucket a plain delete only hides the bytes: so each version is removed by its id, and what says so is a
listing that finds nothing, not the answer to the removal.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from domain.errors import BilagaError, BlobLocked, BlobsUnavailable
from domain.ids import BlobId
from storage.blobs.s3_bucket import MISSING, Bucket, code_of, translated

log = logging.getLogger(__name__)
ABORTED = frozenset({"NoSuchUpload", "NoSuchKey", "404"})
REFUSED = frozenset({"AccessDenied", "AllAccessDisabled", "MethodNotAllowed", "InvalidRequest", "ObjectLocked", "403"})
"""What stores say of a version under Object Lock, or to somebody who may not delete."""
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an object, or a delete marker (which has no bytes). ``current``: what a reader would get."""

    key: str
    version: str
    size: int
    modified_at: datetime
    current: bool
    marker: bool


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that nobody has completed or aborted."""

    key: str
    upload: str
    begun_at: datetime


def erase(bucket: Bucket, blob_id: BlobId) -> None:
    """Remove everything of a blob, and see that it is gone. Raises BlobLocked, BlobsUnavailable, and as ``Bucket``."""
    key = bucket.place.key(blob_id)
    # In this order a commit at the same moment finds its upload gone, or its object is found here.
    begun = _abort(bucket, key)
    if not bucket.versioned:
        refusal = _remove(bucket, blob_id, key, None)
        if refusal is not None:
            raise refusal
    for _ in range(_ROUNDS):
        found = [one for one in versions(bucket, key) if one.key == key]
        if not found and not begun:
            return
        refusals = [refusal for one in found if (refusal := _remove(bucket, blob_id, key, one.version)) is not None]
        for refusal in refusals:
            raise refusal
        # Once more after an abort, since a part that was on its way may come behind it.
        begun = begun and _abort(bucket, key)
    raise BlobsUnavailable("the blob is still there after it was removed")


def versions(bucket: Bucket, prefix: str) -> list[Version]:
    """All versions whose keys begin so; an unversioned bucket has one of each, called ``null``."""
    markers = ("KeyMarker", "VersionIdMarker")
    pages = bucket.pages("list_object_versions", *markers, Prefix=prefix)
    return [one for page in pages for one in versions_of(page)]


def versions_of(page: dict[str, Any]) -> list[Version]:
    """What is on a page of a listing, by key."""
    found = [
        Version(one["Key"], one["VersionId"], one.get("Size", 0), one["LastModified"], one["IsLatest"], marker)
        for kind, marker in (("Versions", False), ("DeleteMarkers", True))
        for one in page.get(kind, [])
    ]
    return sorted(found, key=lambda one: one.key)


def uploads(bucket: Bucket, prefix: str) -> list[Upload]:
    """All unfinished uploads whose keys begin so, in whatever order: not every store sorts them by key."""
    pages = bucket.pages("list_multipart_uploads", "KeyMarker", "UploadIdMarker", Prefix=prefix)
    return [Upload(one["Key"], one["UploadId"], one["Initiated"]) for page in pages for one in page.get("Uploads", [])]


def _abort(bucket: Bucket, key: str) -> bool:
    """Abort what is unfinished under a key; whether there was any."""
    found = [one for one in uploads(bucket, key) if one.key == key]
    for one in found:
        try:
            bucket.ask("abort_multipart_upload", Key=key, UploadId=one.upload)
        except ClientError as error:
            if code_of(error) not in ABORTED:
                raise
    return bool(found)


def _remove(bucket: Bucket, blob_id: BlobId, key: str, version: str | None) -> BilagaError | None:
    """Remove a version, or (None) what an unversioned bucket has; what stands in the way. One that stays does not keep
    the others."""
    which = {"Key": key} if version is None else {"Key": key, "VersionId": version}
    try:
        bucket.ask("delete_object", **which)
    except ClientError as error:
        if code_of(error) in MISSING:
            return None
        if code_of(error) not in REFUSED:
            refusal = translated(error)
        else:
            lock, refusal = _lock_of(bucket, which, error)
            log.error("blob.locked", extra={"blob_id": blob_id, "lock": lock, "code": code_of(error)})
        refusal.__cause__ = error
        return refusal
    return None


def _lock_of(bucket: Bucket, which: dict[str, str], error: ClientError) -> tuple[str, BlobLocked]:
    """Why a version may not go: the store's own refusal seldom says it."""
    held = _asked(bucket, "get_object_legal_hold", which).get("LegalHold", {})
    if held.get("Status") == "ON":
        return "legal-hold", BlobLocked("a legal hold of Object Lock keeps it")
    kept = _asked(bucket, "get_object_retention", which).get("Retention", {})
    if kept.get("Mode") and kept.get("RetainUntilDate"):
        until = f"{kept['RetainUntilDate']:%Y-%m-%d}"
        return "retention", BlobLocked(f"Object Lock ({str(kept['Mode']).lower()}) keeps it until {until}")
    return "denied", BlobLocked(f"the store refuses to remove it: {code_of(error)}")


def _asked(bucket: Bucket, operation: str, which: dict[str, str]) -> dict[str, Any]:
    """An answer, or nothing where the store will not give it."""
    try:
        return bucket.ask(operation, **which)
    except ClientError:
        return {}
