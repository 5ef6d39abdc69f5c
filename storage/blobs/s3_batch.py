"""Many blobs removed at once: by a few requests for all of them, and one by one only what is not gone by then."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import islice

from botocore.exceptions import ClientError

from domain.errors import BilagaError
from domain.ids import BlobId
from storage.blobs.s3_bucket import Bucket, status_of, translating
from storage.blobs.s3_remains import Version, erase, uploads, versions, versions_of

MOST = 1000
"""Keys in one request (DeleteObjects)."""
PAGE = 100
"""Versions on a page that is looked through for several blobs."""
DENSE = 10
"""How many of the blobs a page must settle to be cheaper than a request for each of them."""


def erase_all(bucket: Bucket, blob_ids: Collection[BlobId]) -> dict[BlobId, BilagaError]:
    """What could not be removed, and why. All others were listed and are gone. Raises as ``Bucket``."""
    keys = {bucket.place.key(blob_id): blob_id for blob_id in sorted(blob_ids)}
    # One with an upload is removed by itself, in the order that a commit at the same moment needs.
    begun = {one.key for one in uploads(bucket, bucket.place.prefix) if one.key in keys} if keys else set()
    if bucket.versioned:
        _delete(bucket, [(one.key, one.version) for one in _versions(bucket, list(keys))])
    else:
        _delete(bucket, [(key, None) for key in keys])
    left = {one.key for one in _versions(bucket, list(keys))} | begun
    failed: dict[BlobId, BilagaError] = {}
    for key in sorted(left):
        try:
            with translating():
                erase(bucket, keys[key])
        except BilagaError as error:
            failed[keys[key]] = error
    return failed


def _delete(bucket: Bucket, objects: Sequence[tuple[str, str | None]]) -> None:
    """Remove versions, or what an unversioned bucket has. What is refused is found again, and then by itself: so its
    answers tell nothing, and a store that does not know the request at all is only slower."""
    waiting = iter(objects)
    while some := list(islice(waiting, MOST)):
        named = [{"Key": key} if version is None else {"Key": key, "VersionId": version} for key, version in some]
        try:
            bucket.ask("delete_objects", Delete={"Objects": named, "Quiet": True})
        except ClientError as error:
            if status_of(error) >= 500 and status_of(error) != 501:
                raise


def _versions(bucket: Bucket, keys: list[str]) -> list[Version]:
    """Versions of these keys (sorted), at least one of each that has any: from pages with many of them on each, and as
    soon as a page has few, as in a large bucket, by a request for each key."""
    found: list[Version] = []
    while keys:
        start = _before(bucket, keys[0])
        page = bucket.ask("list_object_versions", Prefix=bucket.place.prefix, MaxKeys=PAGE, **start)
        end = str(page.get("NextKeyMarker") or "") if page.get("IsTruncated") else None
        # Of the last key on the page, or the first behind it, nothing is known for sure.
        settled = len(keys) if end is None else bisect_left(keys, end)
        wanted = set(keys[:settled])
        found += [one for one in versions_of(page) if one.key in wanted]
        keys = keys[settled:]
        if settled < DENSE:
            break
    return found + [one for key in keys for one in versions(bucket, key) if one.key == key]


def _before(bucket: Bucket, key: str) -> dict[str, str]:
    """From where a listing has this key, whether it begins at the marker or behind it."""
    number = int(key.removeprefix(bucket.place.prefix), 16)
    return {} if number == 0 else {"KeyMarker": bucket.place.key(BlobId(f"{number - 1:032x}"))}
