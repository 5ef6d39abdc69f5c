"""One append: bytes in, durable in a blob of their own, and then the offset (S-18, S-34, U5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from crypto import DataKey, SealedStream, new_blob_id
from domain.actor import EVERYTHING
from domain.clock import Clock
from domain.errors import BadInput, ChecksumMismatch, Gone, OffsetConflict, TooLarge, UploadTakenOver
from domain.upload import KEPT_FOR, Checksum, Upload, UploadKind, UploadState
from keys import UPLOAD, Keys
from storage import BlobStore, Records, Unit
from transfer.assembly import WRONG, Assembly, claim_of
from transfer.checksum import checked
from transfer.claim import Claim, Incoming, Limits
from transfer.parts import PartWriter, context_of, part_of
from transfer.receive import Reception
from transfer.room import extend_room
from transfer.sealing import Cut, Sealing
from transfer.sniffer import HEAD_LIMIT
from transfer.steps import Steps
from transfer.turns import Turn, Turns, Writer
from transfer.upload_end import Endings

Chunks = Iterable[bytes | memoryview]


@dataclass(frozen=True, slots=True)
class Bytes:
    """What an append brings; as ``Resuming.append`` is given it."""

    chunks: Chunks
    offset: int
    size: int | None
    length: int | None
    complete: bool
    checksum: Checksum | None


@dataclass(frozen=True, slots=True)
class _Material:
    claim: Claim
    key: DataKey


class _Interrupted(Exception):
    """Reading the body ended before its end; what came before is to be kept."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class Appending:
    """Appends to uploads. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        blobs: BlobStore,
        keys: Keys,
        clock: Clock,
        *,
        reception: Reception,
        sealing: Sealing,
        turns: Turns,
        assembly: Assembly,
        endings: Endings,
        limits: Limits,
        steps: Steps,
    ) -> None:
        self._records = records
        self._blobs = blobs
        self._keys = keys
        self._clock = clock
        self._reception = reception
        self._sealing = sealing
        self._turns = turns
        self._assembly = assembly
        self._endings = endings
        self._limits = limits
        self._steps = steps

    def append(self, upload: Upload, incoming: Incoming, given: Bytes, on_taken: Callable[[], None]) -> Upload:
        """As ``Resuming.append``, up to where the last byte is acknowledged."""
        blob_id = new_blob_id()

        def within(unit: Unit, fresh: Upload) -> _Material:
            return self._enter(unit, replace(fresh, writing=blob_id), incoming, given)

        with self._turns.take(upload.id, blob_id, within, on_taken) as turn:
            self._endings.delete([] if turn.left is None else [turn.left])
            self._steps("taken")
            try:
                return self._take_in(turn, given)
            except (UploadTakenOver, Gone):
                if not turn.over:  # nothing of this was committed, and it may be that no row names the blob
                    self._endings.delete([blob_id])
                raise
            except WRONG as error:
                if isinstance(error, ChecksumMismatch) and given.checksum is not None:
                    raise
                self._assembly.fail(turn, error)
                raise

    # -- before the body ---------------------------------------------------------------------------------------------
    def _enter(self, unit: Unit, upload: Upload, incoming: Incoming, given: Bytes) -> _Material:
        """Everything that is refused before a byte is read, and what is known of the length now."""
        self._reception.check_rights(unit, incoming)
        if upload.state is not UploadState.OPEN:
            raise OffsetConflict(offset=upload.offset) if upload.offset != given.offset else UploadTakenOver
        if upload.offset != given.offset:
            raise OffsetConflict(offset=upload.offset)
        length = given.length
        if length is None and given.complete and given.size is not None:
            length = given.offset + given.size
        upload = self._with_length(unit, upload, length)
        if given.size is not None:
            room = (self._limits.max_file_size if upload.length is None else upload.length) - upload.offset
            if given.size > room:
                raise TooLarge("more than the upload's length, or than is allowed")
        return _Material(claim_of(unit, self._keys, upload, incoming=incoming), self._keys.get(unit, upload.id, UPLOAD))

    def _with_length(self, unit: Unit, upload: Upload, length: int | None) -> Upload:
        """Set a deferred length, once, with its room."""
        if length is None or length == upload.length:
            return upload
        if upload.length is not None:
            raise BadInput("The length was set before.", field="Upload-Length")
        if length < upload.offset:
            raise BadInput("The length is below the offset.", field="Upload-Length")
        if length > self._limits.max_file_size:
            raise TooLarge(max_size=self._limits.max_file_size)
        row = unit.attachments.get(upload.attachment_id, EVERYTHING)
        if row is None:
            raise Gone("this upload was ended")
        row = replace(row, declared_size=length)
        extend_room(unit, row, max(length - row.reserved_bytes, 0), self._limits.organisation_max_bytes)
        changed = replace(upload, length=length)
        unit.uploads.save(changed)
        return changed

    # -- the body ----------------------------------------------------------------------------------------------------
    def _take_in(self, turn: Turn[_Material], given: Bytes) -> Upload:
        upload, claim = turn.upload, turn.found.claim
        body = checked(_until_taken(given.chunks, turn.writer), given.checksum)
        whole = upload.kind is UploadKind.WHOLE and given.size is not None and given.size == upload.length
        if whole and upload.offset == 0 and given.checksum is None and self._sealing.ends_soon(given.size or 0):
            return self._at_once(turn, body)
        if upload.kind is UploadKind.WHOLE and upload.offset == 0:
            body = _sniffed(body, lambda head: self._sealing.check_type(claim, head))
        return self._in_part(turn, body, given)

    def _at_once(self, turn: Turn[_Material], body: Chunks) -> Upload:
        """The whole file in one piece: sealed as the attachment while it comes; broken off, it is the first part."""
        upload, claim = turn.upload, turn.found.claim
        sealed = self._sealing.seal_or_keep(claim, checked(body, upload.repr_checksum))
        if not isinstance(sealed, Cut):
            self._assembly.complete(turn, sealed)
            return self._fresh(upload)
        self._commit(turn, claim.attachment_id, sealed.stream, ended=False)
        raise sealed.cause

    def _in_part(self, turn: Turn[_Material], body: Chunks, given: Bytes) -> Upload:
        upload, claim = turn.upload, turn.found.claim
        context = context_of(self._keys, upload.id, claim.blob_id, upload)
        part = PartWriter(self._sealing, self._blobs, claim, turn.found.key, context, given.size)
        meter = self._sealing.meter_of_part(claim, upload.offset)
        cut: Exception | None = None
        try:
            try:
                for chunk in _kept_apart(body):
                    meter.take(len(chunk))
                    part.write(chunk)
            except _Interrupted as interrupted:
                if given.checksum is not None or isinstance(interrupted.cause, (*WRONG, TooLarge)):
                    raise interrupted.cause from None
                cut = interrupted.cause
            stream = part.finish()
        except BaseException:
            part.abort()
            raise
        self._steps("part sealed")
        fresh = self._commit(turn, upload.id, stream, ended=given.complete and cut is None)
        if cut is not None:
            raise cut
        return fresh

    # -- after the body ----------------------------------------------------------------------------------------------
    def _commit(self, turn: Turn[_Material], owner_id: str, stream: SealedStream | None, *, ended: bool) -> Upload:
        """The offset, with the part that it is about; ``ended``: no more will come. Raises UploadTakenOver, Gone."""
        upload, incoming = turn.upload, turn.found.claim.incoming
        blob_id = turn.found.claim.blob_id

        def work(unit: Unit) -> Upload:
            now = self._clock()  # for both: what is received at an instant, its link allowed at that very one
            self._reception.check_rights(unit, incoming, now)
            offset = upload.offset + (0 if stream is None else stream.plaintext_size)
            moved = self._with_length(unit, upload, offset) if ended and upload.length is None else upload
            state = upload.state
            if offset == moved.length:
                state = UploadState.COMPLETE if upload.kind is UploadKind.PARTIAL else UploadState.RECEIVED
            moved = replace(
                moved,
                offset=offset,
                state=state,
                expires_at=now + KEPT_FOR if stream is not None or state is not upload.state else upload.expires_at,
                holder=None,
                wanted=False,
                writing=None,
            )
            if not unit.uploads.save(moved):
                raise UploadTakenOver
            if stream is not None:
                unit.upload_parts.add(part_of(upload, blob_id, owner_id, stream))
            return moved

        moved = self._records.write(work)
        turn.over = True
        self._steps("offset moved")
        return moved

    def _fresh(self, upload: Upload) -> Upload:
        return self._records.read(lambda unit: unit.uploads.get(upload.id)) or upload


def _until_taken(chunks: Chunks, writer: Writer) -> Iterator[bytes | memoryview]:
    """The chunks, as long as nobody else wants the upload. Raises UploadTakenOver, whatever the chunks raise then."""
    try:
        for chunk in chunks:
            yield chunk
            if writer.stopped:
                raise UploadTakenOver
    except Exception as error:
        if writer.stopped and not isinstance(error, UploadTakenOver):
            raise UploadTakenOver from error
        raise


def _kept_apart(body: Chunks) -> Iterator[bytes | memoryview]:
    """The body; what reading it raises is an ``_Interrupted``, so that it is told from what sealing it does."""
    try:
        yield from body
    except Exception as error:
        raise _Interrupted(error) from error


def _sniffed(body: Chunks, check: Callable[[bytes], object]) -> Iterator[bytes | memoryview]:
    """The body; its type is looked at as soon as its head is there. What is shorter waits for the end of the file."""
    head = bytearray()
    for chunk in body:
        if len(head) < HEAD_LIMIT:
            head += chunk[: HEAD_LIMIT - len(head)]
            if len(head) == HEAD_LIMIT:
                check(bytes(head))
        yield chunk
