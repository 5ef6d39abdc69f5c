"""A blob on its way into S3: an unfinished upload that stands for it from the first moment, then its bytes (S-17).

Creating a blob begins a multipart upload, always. It shows the blob as unfinished to every node, is what a delete takes
away, and what ``commit`` looks for: where it is gone, somebody deleted the blob meanwhile. A blob that fits into one
part then goes up by one PutObject beside it, and the empty upload is given up; a longer one is that upload.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from threading import Lock
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import BilagaError, BlobsUnavailable, StorageFull
from domain.ids import BlobId
from storage.blobs.port import BlobStat
from storage.blobs.s3_bucket import Bucket, Head, code_of, etag_of, status_of, translated, translating
from storage.blobs.s3_parts import AHEAD, LARGEST, MOST_PARTS, Budget, PartBuffer, part_size
from storage.blobs.s3_remains import ABORTED, erase

log = logging.getLogger(__name__)
CONTENT = "application/octet-stream"


class S3Writer:
    """``BlobWriter``. ``upload`` was begun for ``key``; ``expected`` bytes, or None. ``ended`` is called once, when
    nothing more will come. Besides its one thread only ``lose`` is called from others.
    """

    def __init__(
        self,
        bucket: Bucket,
        blob_id: BlobId,
        upload: str,
        expected: int | None,
        *,
        executor: Executor,
        budget: Budget,
        ended: Callable[[], None],
        cut: Callable[[int, int, int | None], int] = part_size,
    ) -> None:
        self._bucket = bucket
        self._blob_id = blob_id
        self._key = bucket.place.key(blob_id)
        self._upload = upload
        self._expected = expected
        self._executor = executor
        self._budget = budget
        self._tell_ended = ended
        self._cut = cut
        self._turn = Lock()
        self._open = True
        self._size = 0
        self._parts: list[Future[bytes]] = []
        """Of each part that was sent off: the digest it has, for the store and for us."""
        self._sent: deque[tuple[Future[bytes], PartBuffer]] = deque()
        self._borrowed = 0
        self._comparable = True
        self._wanted: tuple[int, str | None] | None = None
        """Size and ETag of the object that may be there since we asked for it."""
        self._buffer = PartBuffer(cut(1, 0, expected), expected or 0)

    # -- in ------------------------------------------------------------------------------------------------------------
    def write(self, view: memoryview | bytes) -> None:
        left = memoryview(view).cast("B")
        with self._turn:
            self._check_open()
            try:
                with translating():
                    while left:
                        left = self._append(left)
            except BilagaError:
                self._discard()
                raise

    def _append(self, left: memoryview) -> memoryview:
        """Take what fits into the part; a part is sent off when the first byte behind it comes."""
        if self._size + len(left) > LARGEST:
            raise StorageFull
        if self._buffer.full:
            self._send()
            self._next_buffer()
        rest = self._buffer.fill(left)
        self._size += len(left) - len(rest)
        return rest

    def _send(self) -> None:
        number = len(self._parts) + 1
        try:
            future = self._executor.submit(self._put_part, number, self._buffer.seal())
        except RuntimeError as error:
            raise BlobsUnavailable("the store was closed") from error
        self._parts.append(future)
        self._sent.append((future, self._buffer))

    def _next_buffer(self) -> None:
        """Memory for the next part: new as long as there is room, else that of a part that has arrived. So whoever
        writes faster than the store takes waits here; and as one's own parts always arrive, nobody waits for others.
        """
        if len(self._parts) == MOST_PARTS:
            raise StorageFull
        size = self._cut(len(self._parts) + 1, self._size, self._expected)
        if len(self._sent) <= AHEAD and not self._sent[0][0].done() and self._budget.take(size):
            self._borrowed += size
            self._buffer = PartBuffer(size, size, charged=size)
            return
        future, self._buffer = self._sent.popleft()
        future.result()
        while self._buffer.charged and not self._recharge(self._buffer, size):
            # Parts have grown, and the others' have, too: go on with fewer. The one of our own is among those sent.
            future, self._buffer = self._sent.popleft()
            future.result()
        self._buffer.begin(size)

    def _recharge(self, buffer: PartBuffer, size: int) -> bool:
        """Borrow for a part of another size, or give all of it back."""
        if size > buffer.charged and not self._budget.take(size - buffer.charged):
            self._budget.give(buffer.charged)
            self._borrowed -= buffer.charged
            return False
        self._budget.give(max(0, buffer.charged - size))
        self._borrowed += size - buffer.charged
        buffer.charged = size
        return True

    def _put_part(self, number: int, content: bytearray) -> bytes:
        if not self._open:
            raise BlobsUnavailable("the blob was ended")
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        answer = self._bucket.ask(
            "upload_part",
            Key=self._key,
            UploadId=self._upload,
            PartNumber=number,
            Body=content,
            ContentMD5=base64.b64encode(digest).decode(),
        )
        return self._checked(answer, digest)

    def _checked(self, answer: dict[str, Any], digest: bytes) -> bytes:
        """An ETag is the MD5 of what is stored; only under a key of a key manager it is something else."""
        said = etag_of(answer)
        if said != digest.hex():
            if not str(answer.get("ServerSideEncryption", "")).startswith("aws:kms"):
                raise BlobsUnavailable("the store does not keep what was sent")
            self._comparable = False
        return said.encode()

    # -- whole ---------------------------------------------------------------------------------------------------------
    def commit(self) -> BlobStat:
        with self._turn:
            self._check_open()
            try:
                with translating():
                    found = self._commit_parts() if self._parts else self._commit_whole()
            except BilagaError:
                self._discard()
                raise
            self._end()
        return BlobStat(self._blob_id, found.size, found.modified_at, finished=True)

    def _commit_whole(self) -> Head:
        content = self._buffer.seal()
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        self._wanted = (self._size, digest.hex())
        try:
            answer = self._ask_new(
                "put_object", Body=content, ContentMD5=base64.b64encode(digest).decode(), ContentType=CONTENT
            )
        except ClientError as error:
            # It may be ours: the first of two tries arrived, and only its answer was lost. What is there tells.
            if not _exists(error):
                raise
        else:
            self._checked(answer, digest)
        # After the bytes: a delete that comes later finds them, one that came before took our upload away.
        self._bucket.ask("list_parts", Key=self._key, UploadId=self._upload, MaxParts=1)
        found = self._found()
        with suppress(BotoCoreError, ClientError):  # what stays of it is empty, and goes with the blob or by lifecycle
            self._bucket.ask("abort_multipart_upload", Key=self._key, UploadId=self._upload)
        return found

    def _commit_parts(self) -> Head:
        self._send()
        digests = [future.result() for future in self._parts]
        self._sent.clear()
        self._wanted = (self._size, _joint_etag(digests) if self._comparable else None)
        parts = [{"PartNumber": n, "ETag": f'"{etag.decode()}"'} for n, etag in enumerate(digests, 1)]
        unsure: Exception | None = None
        try:
            self._ask_new("complete_multipart_upload", UploadId=self._upload, MultipartUpload={"Parts": parts})
        except (BotoCoreError, ClientError) as error:
            # It may have happened all the same: its answer was lost, or said 200 and then something else.
            unsure = error
        try:
            return self._found()
        except BlobsUnavailable as error:
            if unsure is None:
                raise
            raise translated(unsure) from error

    def _ask_new(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Ask for the object, where there is none. Who heeds no condition ignores or refuses it, so we look ourselves:
        only two writers of one id at the same moment would slip through, and an id has one."""
        if operation != "put_object" or not self._bucket.conditional:
            self._check_new()
        try:
            return self._bucket.ask(operation, Key=self._key, IfNoneMatch="*", **arguments)
        except ClientError as error:
            if status_of(error) != 501:
                raise
        self._check_new()
        return self._bucket.ask(operation, Key=self._key, **arguments)

    def _check_new(self) -> None:
        if self._bucket.head(self._key) is not None:
            self._wanted = None
            raise BlobsUnavailable("a blob of that id exists")

    def _found(self) -> Head:
        """What the store has now, if it is what we sent."""
        found = self._bucket.head(self._key)
        if found is None or not self._is_ours(found):
            raise BlobsUnavailable("the blob is not what was written")
        return found

    def _is_ours(self, found: Head | None) -> bool:
        if found is None or self._wanted is None:
            return False
        size, etag = self._wanted
        return found.size == size and (etag is None or not self._comparable or found.etag == etag)

    # -- or not at all -------------------------------------------------------------------------------------------------
    def abort(self) -> None:
        with self._turn:
            if self._open:
                self._discard()

    def lose(self) -> None:
        """The blob is being deleted: whatever is to come of it ends here."""
        self.abort()

    def _discard(self) -> None:
        """Leave nothing, as far as the store lets us; what stays is swept later, and never readable."""
        self._open = False
        for future, _ in self._sent:
            future.cancel()
        wait([future for future, _ in self._sent])
        with suppress(BilagaError), translating():
            if self._wanted is not None and self._is_ours(self._bucket.head(self._key)):
                erase(self._bucket, self._blob_id)
        with suppress(BilagaError), translating():
            try:
                self._bucket.ask("abort_multipart_upload", Key=self._key, UploadId=self._upload)
            except ClientError as error:
                if code_of(error) not in ABORTED:
                    log.warning("blob.upload-left", extra={"blob_id": self._blob_id, "code": code_of(error)})
        self._end()

    def _end(self) -> None:
        self._open = False
        self._budget.give(self._borrowed)
        self._borrowed = 0
        self._sent.clear()
        self._buffer = PartBuffer(0, 0)
        self._tell_ended()

    def _check_open(self) -> None:
        if not self._open:
            raise BlobsUnavailable("the blob was ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def _joint_etag(digests: list[bytes]) -> str:
    """The ETag of an object in parts: the MD5 of their MD5s, and how many."""
    joint = hashlib.md5(usedforsecurity=False)
    for digest in digests:
        joint.update(bytes.fromhex(digest.decode()))
    return f"{joint.hexdigest()}-{len(digests)}"


def _exists(error: ClientError) -> bool:
    return code_of(error) in {"PreconditionFailed", "ConditionalRequestConflict"} or status_of(error) == 412
