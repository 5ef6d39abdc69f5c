"""All blobs of a bucket in the order of their ids: objects, what is hidden behind a delete marker, and uploads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from botocore.exceptions import ClientError

from domain.ids import BlobId
from storage.blobs.port import BlobStat
from storage.blobs.s3_bucket import Bucket, code_of, translating
from storage.blobs.s3_remains import ABORTED, Upload, Version, uploads, versions_of


def blobs(bucket: Bucket, after: BlobId | None) -> Iterator[BlobStat]:
    """Each id once, those after an id. Finished wins: what else there is of that blob goes when it goes.

    Versions are listed, not objects: bytes behind a delete marker are still bytes, and nobody else would find them.
    Unfinished uploads are few, and read at once, as not every store sorts them.
    """
    with translating():
        begun = _begun(bucket, after or "")
    waiting = sorted(begun, reverse=True)
    for blob_id, group in _objects(bucket, after):
        while waiting and waiting[-1] < blob_id:
            yield from _unfinished(bucket, begun[waiting.pop()])
        if waiting and waiting[-1] == blob_id:
            waiting.pop()
        yield _stat(blob_id, group)
    while waiting:
        yield from _unfinished(bucket, begun[waiting.pop()])


def _begun(bucket: Bucket, after: str) -> dict[BlobId, list[Upload]]:
    found: dict[BlobId, list[Upload]] = defaultdict(list)
    for one in uploads(bucket, bucket.place.prefix):
        blob_id = bucket.place.blob_of(one.key)
        if blob_id is not None and blob_id > after:
            found[blob_id].append(one)
    return found


def _objects(bucket: Bucket, after: BlobId | None) -> Iterator[tuple[BlobId, list[Version]]]:
    """What there is under each id, a page in memory at a time; strangers' keys are not ours to judge."""
    start = {} if after is None else {"KeyMarker": bucket.place.key(after)}
    # Some stores begin at the marker, some behind it, and versions of one key may lie on two pages.
    for key, group in groupby(_versions(bucket, start), key=lambda one: one.key):
        blob_id = bucket.place.blob_of(key)
        if blob_id is not None and blob_id > (after or ""):
            yield blob_id, list(group)


def _versions(bucket: Bucket, start: dict[str, str]) -> Iterator[Version]:
    prefix = bucket.place.prefix
    pages = bucket.pages("list_object_versions", "KeyMarker", "VersionIdMarker", Prefix=prefix, **start)
    while True:
        with translating():
            page = next(pages, None)
        if page is None:
            return
        yield from versions_of(page)


def _stat(blob_id: BlobId, group: list[Version]) -> BlobStat:
    current = next((one for one in group if one.current and not one.marker), None)
    newest = current or max(group, key=lambda one: one.modified_at)
    size = newest.size if current else sum(one.size for one in group)
    return BlobStat(blob_id, size, newest.modified_at.replace(microsecond=0), finished=current is not None)


def _unfinished(bucket: Bucket, begun: list[Upload]) -> Iterator[BlobStat]:
    """One blob's uploads, if they are still there: the bytes of their parts, and when the last of them came."""
    there = [found for one in begun if (found := _parts(bucket, one)) is not None]
    blob_id = bucket.place.blob_of(begun[0].key)
    if there and blob_id is not None:
        size, modified_at = sum(size for size, _ in there), max(at for _, at in there)
        yield BlobStat(blob_id, size, modified_at.replace(microsecond=0), finished=False)


def _parts(bucket: Bucket, one: Upload) -> tuple[int, datetime] | None:
    size, modified_at = 0, one.begun_at
    with translating():
        try:
            for page in bucket.pages("list_parts", "PartNumberMarker", Key=one.key, UploadId=one.upload):
                for part in page.get("Parts", []):
                    size += part["Size"]
                    modified_at = max(modified_at, part["LastModified"])
        except ClientError as error:
            if code_of(error) in ABORTED:
                return None
            raise
    return size, modified_at
