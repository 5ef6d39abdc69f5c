"""The store in an S3 bucket: one object a blob, in any store that speaks S3 (proved on Ceph and SeaweedFS).

What stores promise differs, so nothing optional is relied on: a checksum goes with every part and is compared, what is
there after a commit is asked for, and what was deleted is listed until it is gone.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import boto3

from domain.errors import BilagaError, BlobMissing, BlobsUnavailable, StorageFull
from domain.ids import BlobId
from storage.blobs.port import BlobReader, BlobStat, BlobWriter, Space, check_id
from storage.blobs.s3_batch import erase_all
from storage.blobs.s3_bucket import Bucket, Patience, translating
from storage.blobs.s3_listing import blobs
from storage.blobs.s3_parts import BUDGET, LARGEST, Budget
from storage.blobs.s3_place import parse_place
from storage.blobs.s3_reader import S3Reader
from storage.blobs.s3_remains import erase
from storage.blobs.s3_start import StartCheck, put_probe
from storage.blobs.s3_writer import S3Writer

READ = 1 << 20
PATIENCE = Patience()
IMPATIENCE = Patience(connect=2, read=4, attempts=1)
"""For the question whether all is well right now."""


class S3BlobStore:
    """``BlobStore``, ``Digesting`` and ``Clearing`` in the bucket of ``s3://bucket/prefix?endpoint=…&region=…``.

    Credentials are found as boto3 finds them. Nothing is asked before the first call; whoever serves calls
    ``check_start`` first. Parts go up by ``uploaders`` threads; memory: a part for each writer, and ``budget`` bytes
    for all of them together. ``session``: one of boto3's to make the client from, where several stores are opened in a
    row. To be made after a fork, not before. Raises Misconfigured.
    """

    def __init__(
        self,
        url: str,
        *,
        allowed_regions: tuple[str, ...] = (),
        patience: Patience = PATIENCE,
        connections: int = 96,
        uploaders: int = 16,
        budget: int = BUDGET,
        session: boto3.session.Session | None = None,
    ) -> None:
        place = parse_place(url)
        self._bucket = Bucket(place, patience=patience, connections=connections, session=session)
        self._impatient = Bucket(place, patience=IMPATIENCE, connections=4, session=self._bucket.session)
        self._regions = allowed_regions
        self._executor = ThreadPoolExecutor(uploaders, thread_name_prefix="part")
        self._budget = Budget(budget)
        self._lock = Lock()
        self._writers: dict[BlobId, S3Writer | None] = {}
        """Of this process, by what they write; None: about to begin."""

    def check_start(self) -> None:
        """Look at the bucket and try what the service will do there; warnings go to the log. Raises Misconfigured with
        one line that names STORAGE_URL, BlobsUnavailable where the store does not answer."""
        StartCheck(self._bucket, self._regions).run()

    def create(self, blob_id: BlobId, expected_size: int | None) -> BlobWriter:
        check_id(blob_id)
        if (expected_size or 0) > LARGEST:
            raise StorageFull
        with self._lock:
            if blob_id in self._writers:
                raise BlobsUnavailable("a blob of that id exists")
            self._writers[blob_id] = None
        try:
            with translating():
                key = self._bucket.place.key(blob_id)
                begun = self._bucket.ask("create_multipart_upload", Key=key, ContentType="application/octet-stream")
            writer = S3Writer(
                self._bucket,
                blob_id,
                begun["UploadId"],
                expected_size,
                executor=self._executor,
                budget=self._budget,
                ended=lambda: self._forget(blob_id),
            )
        except BaseException:
            self._forget(blob_id)
            raise
        with self._lock:
            self._writers[blob_id] = writer
        return writer

    def _forget(self, blob_id: BlobId) -> None:
        with self._lock:
            self._writers.pop(blob_id, None)

    def open(self, blob_id: BlobId) -> BlobReader:
        check_id(blob_id)
        key = self._bucket.place.key(blob_id)
        with translating():
            head = self._bucket.head(key)
        if head is None:
            raise BlobMissing
        return S3Reader(self._bucket, key, head)

    def stat(self, blob_id: BlobId) -> BlobStat | None:
        check_id(blob_id)
        with translating():
            found = self._bucket.head(self._bucket.place.key(blob_id))
        return None if found is None else BlobStat(blob_id, found.size, found.modified_at, finished=True)

    def delete(self, blob_id: BlobId) -> None:
        """As the port says. Raises BlobLocked where the store will not let go of it: Object Lock, a legal hold, or a
        right that is missing."""
        check_id(blob_id)
        with self._lock:
            writer = self._writers.get(blob_id)
        if writer is not None:
            writer.lose()
        with translating():
            erase(self._bucket, blob_id)

    def delete_all(self, blob_ids: Collection[BlobId]) -> dict[BlobId, BilagaError]:
        for blob_id in blob_ids:
            check_id(blob_id)
        with self._lock:
            writers = [writer for blob_id in blob_ids if (writer := self._writers.get(blob_id)) is not None]
        for writer in writers:
            writer.lose()
        with translating():
            return erase_all(self._bucket, blob_ids)

    def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
        if after is not None:
            check_id(after)
        return blobs(self._bucket, after)

    def space(self) -> Space:
        """S3 does not say. What is true of every bucket is how large one blob can be: that is told, and is what limits
        compare with. A store that is full says so when it is written to."""
        return Space(LARGEST, LARGEST)

    def ping(self) -> None:
        with translating():
            put_probe(self._impatient, f"{self._bucket.place.prefix}probe-{secrets.token_hex(8)}", remove=True)

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)
        self._bucket.close()
        self._impatient.close()

    def digest(self, blob_id: BlobId) -> bytes:
        digest = hashlib.sha256()
        offset = 0
        with self.open(blob_id) as reader:
            while piece := reader.read_at(offset, READ):
                digest.update(piece)
                offset += len(piece)
        return digest.digest()
