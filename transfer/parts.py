"""Parts of uploads: each append's bytes as a sealed stream and a blob of their own, and read again in order (S-34)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable

from crypto import Context, DataKey, SealedStream, Sealer, Unsealer, sealed_size
from domain.ids import BlobId
from domain.upload import Upload, UploadPart
from keys import ATTACHMENT, UPLOAD, Keys
from storage import BlobStore, BlobWriter, Unit
from transfer.claim import Claim
from transfer.sealing import Sealing

OpenKeys = dict[str, DataKey]
"""Data keys by the ids of their owners."""


class PartWriter:
    """One append on its way. Nothing is begun before the first byte; ``finish`` makes it durable, ``abort`` leaves
    nothing."""

    def __init__(
        self, sealing: Sealing, blobs: BlobStore, claim: Claim, key: DataKey, context: Context, size: int | None
    ) -> None:
        """``claim.blob_id`` is the part's. ``size``: bytes that are announced."""
        self._sealing = sealing
        self._blobs = blobs
        self._claim = claim
        self._key = key
        self._context = context
        self._size = size
        self._writer: BlobWriter | None = None
        self._sealer: Sealer | None = None

    def write(self, chunk: bytes | memoryview) -> None:
        """Some more."""
        if not len(chunk):
            return
        if self._sealer is None:
            expected = None if self._size is None else sealed_size(self._size)
            self._writer = self._blobs.create(self._claim.blob_id, expected)
            self._sealer = Sealer(self._key, self._context, self._writer.write)
        self._sealer.write(chunk)

    def finish(self) -> SealedStream | None:
        """End the stream where it stands, durable; None where nothing came."""
        if self._sealer is None or self._writer is None:
            return None
        stream = self._sealer.finish()
        self._sealing.compare(self._claim.attachment_id, self._claim.blob_id, stream, self._writer.commit())
        return stream

    def abort(self) -> None:
        """Leave nothing; again, or after ``finish``, nothing happens."""
        if self._sealer is not None:
            self._sealer.abort()
        if self._writer is not None:
            self._writer.abort()


def part_of(upload: Upload, blob_id: BlobId, owner_id: str, stream: SealedStream) -> UploadPart:
    """The row of a part that goes on where the upload stands. Its number is its turn's: no other has that."""
    return UploadPart(
        upload_id=upload.id,
        number=upload.fence,
        blob_id=blob_id,
        owner_id=owner_id,
        start=upload.offset,
        size=stream.plaintext_size,
        sealed_size=stream.sealed_size,
        sealed_sha256=stream.sealed_sha256,
        commitment=stream.commitment,
    )


def context_of(keys: Keys, owner_id: str, blob_id: BlobId, upload: Upload) -> Context:
    """What binds a part: its blob's id; or the attachment, of a file that was being sealed at once and broke off."""
    if owner_id == upload.attachment_id:
        return keys.context(owner_id, ATTACHMENT)
    return keys.context(blob_id, UPLOAD)


def keys_of(unit: Unit, keys: Keys, upload: Upload, parts: Collection[UploadPart]) -> OpenKeys:
    """The keys of parts' owners. Raises AlreadyPurged, WrongContext, KeysUnavailable."""
    return {
        owner: keys.get(unit, owner, ATTACHMENT if owner == upload.attachment_id else UPLOAD)
        for owner in {part.owner_id for part in parts}
    }


def read_parts(
    blobs: BlobStore,
    keys: Keys,
    upload: Upload,
    parts: Iterable[UploadPart],
    opened: OpenKeys,
    go_on: Callable[[], object],
) -> Generator[bytes, None, None]:
    """The plaintext of an upload. ``go_on`` is called before each piece, and may raise. Raises Damaged,
    BlobsUnavailable."""
    for part in parts:
        with blobs.open(part.blob_id) as reader:
            unsealer = Unsealer(
                opened[part.owner_id],
                context_of(keys, part.owner_id, part.blob_id, upload),
                reader.read_at,
                sealed_size=part.sealed_size,
                commitment=part.commitment,
            )
            try:
                for piece in unsealer.read():
                    go_on()
                    yield piece
            finally:
                unsealer.close()
