"""An upload that is all there becomes an attachment by the one journey of all: its parts are the body (S-93, F1).

Its bytes were acknowledged, so it is carried through whatever happens: behind the request that brought the last of
them, and where that process ends, by the job of any node. Whoever is at it has a turn (``transfer/turns.py``).

What cannot be read is kept as it is and looked at again, ever more seldom: a store that lost a part may get it back.
"""

from __future__ import annotations

import logging
from collections.abc import Container
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from crypto import new_blob_id
from domain.actor import EVERYTHING
from domain.attachment import AttachmentState
from domain.clock import Clock
from domain.errors import (
    AlreadyPurged,
    BilagaError,
    ChecksumMismatch,
    ContentMismatch,
    Damaged,
    Draining,
    Gone,
    IncompleteBody,
    Infected,
    NotFound,
    Refused,
    StateConflict,
    TypeNotAllowed,
    Unavailable,
    UploadLocked,
    UploadTakenOver,
    WrongContext,
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
WRONG = (TypeNotAllowed, ContentMismatch, Infected, ChecksumMismatch)
"""What is wrong with a file itself: asking again changes nothing."""
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=30)
"""How long the job leaves what it could not make, at first, and in the end: each try reads and writes all of it."""


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
        self._waits = _Waits(clock)

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
        """Begin what is all there, that nobody is at and that was not put off; how many."""
        begun = 0
        seen = set[UploadId]()
        after: UploadId | None = None
        while page := self._received(after):
            for upload in page:
                seen.add(upload.id)
                if self._turns.is_free(upload) and self._waits.are_over(upload.id):
                    self.begin(upload.id)
                    begun += 1
            after = page[-1].id
        self._waits.forget_but(seen)
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
                failure=None,
                expires_at=self._clock() + KEPT_FOR,
                holder=None,
                wanted=False,
                writing=None,
            )
            if not unit.uploads.save(done):
                raise UploadTakenOver
            gone[:] = self._endings.forget_parts(unit, turn.upload)

        try:
            self._reception.finish([sealed], then=mark)
        except StateConflict as error:  # its claim has ended, or is an attachment already: by somebody else's turn
            raise UploadTakenOver from error
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

    def _keep(self, turn: Turn[Any], error: BilagaError) -> None:
        """What cannot be read: nothing is taken away from it. The row says so, the log has it, somebody is called."""

        def work(unit: Unit) -> None:
            fresh = unit.uploads.get(turn.upload.id)
            if fresh is not None and fresh.fence == turn.upload.fence and not fresh.is_damaged:
                self._endings.note_damage(unit, fresh, error)

        self._records.write(work)
        log.critical(
            "upload.damaged",
            extra={"upload": turn.upload.id, "attachment_id": turn.upload.attachment_id, "cause": type(error).__name__},
        )

    def _received(self, after: UploadId | None) -> list[Upload]:
        state = UploadState.RECEIVED
        return self._records.read(lambda unit: list(unit.uploads_found.in_state(state, after=after, limit=BATCH)))

    def _run(self, upload_id: UploadId) -> None:
        try:
            self._assemble(upload_id)
        except NotDue:
            return
        except (Unavailable, UploadLocked, Damaged) as error:
            self._waits.put_off(upload_id)
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

        def within(_: Unit, upload: Upload) -> None:
            if upload.state is not UploadState.RECEIVED:
                raise NotDue

        try:
            with self._turns.take(upload_id, blob_id, within) as turn:
                self._endings.delete([] if turn.left is None else [turn.left])
                self._make(turn)
        except NotFound:
            raise NotDue from None

    def _make(self, turn: Turn[None]) -> None:
        try:
            material = self._records.read(lambda unit: self._material(unit, turn.upload))
            self._seal(turn, material)
        except (Unavailable, UploadLocked):
            raise
        except (Damaged, AlreadyPurged, IncompleteBody) as error:
            # Its key, or the rows of its parts, are as lost as bytes of theirs would be.
            cause = error if isinstance(error, Damaged) else WrongContext("its key or its parts are not there")
            self._keep(turn, cause)
            raise cause from error
        except Refused as error:
            self.fail(turn, error)
            raise

    def _seal(self, turn: Turn[None], material: _Material) -> None:
        upload = turn.upload
        body = read_parts(self._blobs, self._keys, upload, material.parts, material.opened, lambda: _go_on(turn.writer))
        try:
            sealed = self._reception.seal(material.claim, checked(body, upload.repr_checksum))
        finally:
            body.close()
        try:
            self.complete(turn, sealed)
        except (UploadTakenOver, Gone):
            self._endings.delete([material.claim.blob_id])
            raise

    def _material(self, unit: Unit, upload: Upload) -> _Material:
        """What it is made of. Raises Gone as well, before a byte is read, where its link or its ticket ended."""
        parts = tuple(unit.upload_parts.of(upload.id))
        claim = claim_of(unit, self._keys, upload)
        self._reception.check_rights(unit, claim.incoming, claim.received_at)
        return _Material(claim, parts, keys_of(unit, self._keys, upload, parts))


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
        received_at=upload.received_at,
    )


def _go_on(writer: Writer) -> None:
    if writer.stopped:
        raise Draining


class _Waits:
    """How long each upload is left that could not be made an attachment of. For one process; safe from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._waits: dict[UploadId, tuple[datetime, timedelta]] = {}

    def put_off(self, upload_id: UploadId) -> None:
        """It did not work: twice as long as the last time."""
        with self._lock:
            _, last = self._waits.get(upload_id, (None, FIRST_WAIT / 2))
            wait = min(2 * last, LONGEST_WAIT)
            self._waits[upload_id] = (self._clock() + wait, wait)

    def are_over(self, upload_id: UploadId) -> bool:
        """Whether it may be tried again."""
        with self._lock:
            until, _ = self._waits.get(upload_id, (None, None))
            return until is None or until <= self._clock()

    def forget_but(self, upload_ids: Container[UploadId]) -> None:
        """All others have ended."""
        with self._lock:
            self._waits = {one: wait for one, wait in self._waits.items() if one in upload_ids}
