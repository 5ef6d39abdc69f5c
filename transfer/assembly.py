"""An upload that is all there becomes an attachment by the one journey of all: its parts are the body (S-93, F1).

Its bytes were acknowledged, so it is carried through whatever happens: behind the request that brought the last of
them, and where that process ends, by the job of any node. Whoever is at it has a turn (``transfer/turns.py``).
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from crypto import new_blob_id
from domain.actor import EVERYTHING
from domain.attachment import AttachmentState
from domain.clock import Clock
from domain.errors import (
    BilagaError,
    ChecksumMismatch,
    ContentMismatch,
    Damaged,
    Draining,
    Gone,
    Infected,
    NotFound,
    TypeNotAllowed,
    Unavailable,
    UploadLocked,
    UploadTakenOver,
)
from domain.ids import BlobId, UploadId
from domain.upload import KEPT_FOR, Upload, UploadPart, UploadState
from keys import ATTACHMENT, Keys
from storage import BlobStore, Records, Unit
from transfer.checksum import checked
from transfer.claim import Claim, Incoming, Sealed
from transfer.parts import OpenKeys, keys_of, read_parts
from transfer.receive import Received, Reception
from transfer.steps import Steps
from transfer.turns import Turn, Turns, Writer
from transfer.upload_end import Endings, incoming_of

log = logging.getLogger(__name__)
AT_ONCE = 2
BATCH = 100
WRONG = (TypeNotAllowed, ContentMismatch, Infected, ChecksumMismatch, Damaged)
"""What is wrong with a file itself: asking again changes nothing."""


class NotDue(Exception):
    """Somebody else was at it, and it is done."""


@dataclass(frozen=True, slots=True)
class _Material:
    claim: Claim
    parts: tuple[UploadPart, ...]
    opened: OpenKeys


class Assembly:
    """Makes attachments of uploads. Safe from any thread."""

    def __init__(
        self,
        records: Records,
        blobs: BlobStore,
        keys: Keys,
        clock: Clock,
        *,
        reception: Reception,
        turns: Turns,
        endings: Endings,
        steps: Steps,
    ) -> None:
        self._records = records
        self._blobs = blobs
        self._keys = keys
        self._clock = clock
        self._reception = reception
        self._turns = turns
        self._endings = endings
        self._steps = steps
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="assembly")
        self._lock = Lock()
        self._closed = False
        self._running: dict[UploadId, Future[None]] = {}

    def begin(self, upload_id: UploadId) -> Future[None]:
        """Begin behind the caller, or join in; the future raises what is wrong with the file, or Unavailable."""
        with self._lock:
            if self._closed:
                put_off: Future[None] = Future()
                put_off.set_exception(Draining())
                return put_off
            future = self._running.get(upload_id)
            if future is None:
                future = self._threads.submit(self._run, upload_id)
                self._running[upload_id] = future
        return future

    def begin_due(self) -> int:
        """Begin what is all there and nobody is at; how many."""
        begun = 0
        after: UploadId | None = None
        while page := self._received(after):
            for upload in page:
                if self._turns.is_free(upload):
                    self.begin(upload.id)
                    begun += 1
            after = page[-1].id
        return begun

    def close(self) -> None:
        """Stop; what is under way goes on at the next start."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._turns.stop_all()
        self._threads.shutdown(wait=True)

    def complete(self, turn: Turn[Any], sealed: Sealed) -> None:
        """The commit that makes the attachment, and then the deletion of what it was made of.

        Raises UploadTakenOver where somebody else has the turn; Gone where link or ticket ended.
        """
        gone: list[BlobId] = []

        def mark(unit: Unit, _: Received) -> None:
            done = replace(
                turn.upload,
                state=UploadState.COMPLETE,
                offset=sealed.stream.plaintext_size,
                expires_at=self._clock() + KEPT_FOR,
                holder=None,
                wanted=False,
                writing=None,
            )
            if not unit.uploads.save(done):
                raise UploadTakenOver
            gone[:] = self._endings.forget_parts(unit, turn.upload)

        self._reception.finish([sealed], then=mark)
        turn.over = True
        self._endings.delete(gone)
        self._steps("parts removed")

    def fail(self, turn: Turn[Any], error: BilagaError) -> None:
        """What is wrong with the file ends the upload; its row says why."""
        gone: list[BlobId] = []

        def work(unit: Unit) -> None:
            fresh = unit.uploads.get(turn.upload.id)
            if fresh is not None and fresh.fence == turn.upload.fence:
                gone[:] = self._endings.fail(unit, fresh, error.code)

        self._records.write(work)
        turn.over = True
        self._endings.delete(gone)

    def _received(self, after: UploadId | None) -> list[Upload]:
        state = UploadState.RECEIVED
        return self._records.read(lambda unit: list(unit.uploads_found.in_state(state, after=after, limit=BATCH)))

    def _run(self, upload_id: UploadId) -> None:
        try:
            self._assemble(upload_id)
        except NotDue:
            return
        except (Unavailable, UploadLocked) as error:
            log.warning("upload.assembly-put-off", extra={"upload": upload_id, "code": error.code})
            raise
        except BilagaError as error:
            log.warning("upload.refused-at-last", extra={"upload": upload_id, "code": error.code})
            raise
        finally:
            with self._lock:
                self._running.pop(upload_id, None)

    def _assemble(self, upload_id: UploadId) -> None:
        blob_id = new_blob_id()

        def within(unit: Unit, upload: Upload) -> _Material:
            if upload.state is not UploadState.RECEIVED:
                raise NotDue
            return self._material(unit, replace(upload, writing=blob_id))

        try:
            with self._turns.take(upload_id, blob_id, within) as turn:
                self._endings.delete([] if turn.left is None else [turn.left])
                self._make(turn)
        except NotFound:
            raise NotDue from None

    def _make(self, turn: Turn[_Material]) -> None:
        material, upload = turn.found, turn.upload
        body = read_parts(self._blobs, self._keys, upload, material.parts, material.opened, lambda: _go_on(turn.writer))
        try:
            sealed = self._reception.seal(material.claim, checked(body, upload.repr_checksum))
            self.complete(turn, sealed)
        except UploadTakenOver:
            self._endings.delete([material.claim.blob_id])
            raise
        except (*WRONG, Gone) as error:
            if isinstance(error, Damaged):
                log.critical("upload.part-damaged", extra={"upload": upload.id, "code": error.code})
            self.fail(turn, error)
            raise
        finally:
            body.close()

    def _material(self, unit: Unit, upload: Upload) -> _Material:
        parts = tuple(unit.upload_parts.of(upload.id))
        return _Material(claim_of(unit, self._keys, upload), parts, keys_of(unit, self._keys, upload, parts))


def claim_of(unit: Unit, keys: Keys, upload: Upload, *, incoming: Incoming | None = None) -> Claim:
    """An upload's claim, as its request would have it; its blob is the one that the turn writes.

    Raises Gone where there is none any more, LinkRevoked.
    """
    row = unit.attachments.get(upload.attachment_id, EVERYTHING)
    if row is None or row.state is not AttachmentState.RECEIVING or row.name_sealed is None or upload.writing is None:
        raise Gone("this upload was ended")
    key, context = keys.get(unit, row.id, ATTACHMENT), keys.context(row.id, ATTACHMENT)
    return Claim(
        incoming or incoming_of(unit, upload),
        row.id,
        upload.writing,
        key.open_text(row.name_sealed, "name", context),
        upload.length,
        key,
        context,
        reserved=row.reserved_bytes,
        receipt_id=row.receipt_id,
        received_at=upload.expires_at - KEPT_FOR if upload.state is UploadState.RECEIVED else None,
    )


def _go_on(writer: Writer) -> None:
    if writer.stopped:
        raise Draining
