"""Uploads that survive anything: begun, appended to, found again, joined, ended; whatever protocol asks (S-18, S-42).

An append seals what came into a blob of its own, makes that durable, and only then moves the offset, in a transaction
that looks whether it is still the one writer. The offset that anybody is told is the committed row's. See
docs/resumable.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain

from audit import Log
from crypto import TokenPurpose, is_token, token_digest
from domain.clock import Clock
from domain.errors import (
    BilagaError,
    Gone,
    LinkUnknown,
    NotAllowed,
    NotFound,
    OffsetConflict,
    StateConflict,
    TooLarge,
    Unavailable,
    UploadLocked,
)
from domain.ids import AttachmentId, BlobId, UploadId
from domain.upload import ENDED, EVIDENCE_FOR, Checksum, Upload, UploadKind, UploadState
from keys import ATTACHMENT, Keys, Node
from storage import BlobStore, Records, Unit
from transfer.appending import Appending, Bytes
from transfer.assembly import Assembly
from transfer.beginning import Beginning, Created
from transfer.checksum import check_form
from transfer.claim import Incoming, Limits
from transfer.receive import Reception
from transfer.sealing import Sealing
from transfer.steps import Steps, unwatched
from transfer.turns import PATIENCE, Turns, nobody
from transfer.upload_end import Endings, incoming_of

__all__ = ["Created", "Resuming"]

log = logging.getLogger(__name__)
WAIT = 10.0
"""Seconds that the request with the last byte waits for the attachment."""
BATCH = 100


class Resuming:
    """Uploads in pieces. Safe to use from any thread; every call blocks, so it belongs into a worker's thread.

    All calls with a token raise NotFound for one that is unknown or another link's, and Gone (also as LinkExpired,
    LinkRevoked) where link, ticket or upload ended: then nothing of it is kept. One that was refused in the end
    (malware, its type, …) is Gone too, with ``reason``: that error's code.
    """

    def __init__(
        self,
        records: Records,
        blobs: BlobStore,
        keys: Keys,
        journal: Log,
        clock: Clock,
        *,
        reception: Reception,
        sealing: Sealing,
        limits: Limits,
        node: Node,
        patience: float = PATIENCE,
        wait_for: float = WAIT,
        steps: Steps = unwatched,
    ) -> None:
        """``patience``: seconds to wait for whoever writes to an upload; ``wait_for``: for an attachment to be made."""
        self._records = records
        self._clock = clock
        self._keys = keys
        self._reception = reception
        self._limits = limits
        self._wait_for = wait_for
        self._turns = Turns(records, node, patience=patience)
        self._endings = Endings(journal, blobs)
        self._assembly = Assembly(
            records,
            blobs,
            keys,
            clock,
            reception=reception,
            turns=self._turns,
            endings=self._endings,
            steps=steps,
        )
        self._appending = Appending(
            records,
            blobs,
            keys,
            clock,
            reception=reception,
            sealing=sealing,
            turns=self._turns,
            assembly=self._assembly,
            endings=self._endings,
            limits=limits,
            steps=steps,
        )
        self._beginning = Beginning(keys, clock, reception=reception, limits=limits)

    def create(
        self,
        incoming: Incoming,
        name: str | bytes,
        *,
        length: int | None,
        kind: UploadKind = UploadKind.WHOLE,
        metadata: str | None = None,
        repr_digest: Checksum | None = None,
        receipt: str | None = None,
    ) -> Created:
        """Begin one: link, names, types, sizes and quota are looked at, and slot and room taken, as by
        ``Reception.claim``, whose errors this raises. ``incoming.link`` is needed.

        ``length`` None: deferred. 0: it is complete at once. ``kind``: whole or partial; a partial one's name is not
        looked at. ``receipt``: the token of the sitting's receipt, got from its first ``create``; one that is not this
        link's raises BadInput (field ``receipt``).
        """
        if repr_digest is not None:
            check_form(repr_digest)
        created = self._beginning.create(
            incoming, name, length=length, kind=kind, metadata=metadata, repr_digest=repr_digest, receipt=receipt
        )
        if length == 0:
            return replace(created, upload=self.append(created.token, incoming, (), offset=0, size=0))
        return created

    def find(self, token: str, incoming: Incoming) -> Upload:
        """The upload as it stands, once nobody writes to it: whoever does is told to stop, keeps what came, and is
        waited for a few seconds. Raises UploadLocked where that was not enough."""
        upload = self.look(token, incoming)
        if upload.state is not UploadState.OPEN:
            return upload
        self._turns.settle(upload.id)
        return self.look(token, incoming)

    def look(self, token: str, incoming: Incoming) -> Upload:
        """The upload as its row says, without stopping who writes to it."""
        upload = self._known(token, incoming)
        if upload.state is UploadState.FAILED:
            raise Gone("This upload was refused.", reason=upload.failure)
        if upload.is_damaged:
            raise Gone("What was sent cannot be read any more. Send it again.", reason=upload.failure)
        if upload.expires_at <= self._clock() and upload.state is not UploadState.RECEIVED:
            self._end(upload, "expired")
            raise Gone("This upload has expired.")
        if upload.state not in ENDED or _is_piece(upload):
            self._check_rights(upload, incoming)
        return upload

    def metadata(self, upload: Upload) -> str | None:
        """What ``create`` was given as ``metadata``."""
        sealed = upload.metadata_sealed
        if sealed is None:
            return None
        return self._records.read(
            lambda unit: self._keys.open_text(unit, upload.attachment_id, ATTACHMENT, "metadata", sealed)
        )

    def append(
        self,
        token: str,
        incoming: Incoming,
        chunks: Iterable[bytes | memoryview],
        *,
        offset: int,
        size: int | None = None,
        length: int | None = None,
        complete: bool = False,
        checksum: Checksum | None = None,
        on_taken: Callable[[], None] = nobody,
    ) -> Upload:
        """Take more bytes in: the upload as it stands after it. In the thread that may wait for ``chunks``.

        ``size``: how many are announced. ``length``: the whole's, where it was deferred and is known now.
        ``complete``: with these the upload ends (IETF). ``checksum``: of these bytes. ``on_taken`` is called, from
        another thread, when a newer request wants the upload: make ``chunks`` end or raise soon.

        Whatever ``chunks`` raises is raised again after what came before is kept; with a ``checksum`` it is not.
        With the last byte the upload becomes an attachment: in this call where that takes at most some seconds, else
        behind it (``state`` is ``received`` meanwhile). What is found wrong with the file within this call is raised.

        Raises OffsetConflict, UploadLocked, UploadTakenOver, BadInput (a length that was set before, below the offset),
        TooLarge (more than the length, or than allowed: nothing of these bytes is kept), ChecksumMismatch (as well),
        NotAllowed (a concatenation takes no bytes), QuotaExceeded, StorageFull, BlobsUnavailable; of the file:
        TypeNotAllowed, ContentMismatch, Infected, ChecksumMismatch (of the whole).
        """
        upload = self.look(token, incoming)
        if upload.kind is UploadKind.FINAL:
            raise NotAllowed("A concatenation takes no bytes.")
        if checksum is not None:
            check_form(checksum)
        if upload.state is not UploadState.OPEN:
            upload = _none_more(upload, chunks, offset=offset, size=size)
        else:
            given = Bytes(chunks, offset=offset, size=size, length=length, complete=complete, checksum=checksum)
            try:
                upload = self._appending.append(upload, incoming, given, on_taken)
            except Gone:
                self._end(upload, "gone")
                raise
        return self._await(upload)

    def concatenate(
        self,
        incoming: Incoming,
        name: str | bytes,
        tokens: Sequence[str],
        *,
        metadata: str | None = None,
        repr_digest: Checksum | None = None,
        receipt: str | None = None,
    ) -> Created:
        """Make one file of partial uploads of this link, in that order; one may be named twice. They are taken: a
        second concatenation of them is refused. Raises as ``create``; BadInput for one that is not partial or not
        complete, NotFound."""
        if repr_digest is not None:
            check_form(repr_digest)
        parts = [self.look(one, incoming) for one in tokens]
        created = self._beginning.concatenate(
            incoming, name, parts, metadata=metadata, repr_digest=repr_digest, receipt=receipt
        )
        return replace(created, upload=self._await(created.upload))

    def cancel(self, token: str, incoming: Incoming) -> None:
        """End it: nothing of it is kept. Of a complete one only the upload is forgotten: the attachment stays.
        Raises UploadLocked."""
        upload = self._known(token, incoming)
        if not upload.is_damaged:
            upload = self.look(token, incoming)
        self._drop(upload, "cancelled", lambda _: True)

    def take_back(self, attachment_id: AttachmentId) -> bool:
        """End the upload whose claim that is: its sender wants nothing of it kept. False where there is none, or an
        attachment has come of it meanwhile. Raises UploadLocked."""
        upload = self._records.read(lambda unit: unit.uploads_found.of_attachment(attachment_id))
        return upload is not None and self._drop(upload, "withdrawn", lambda fresh: fresh.state not in ENDED)

    def sweep(self) -> int:
        """The job: end uploads whose time is up, or whose link or ticket has ended; how many."""
        now = self._clock()
        ended = sum(
            self._end(one, "expired")
            for one in self._all(lambda unit, after: unit.uploads_found.expired(now, after=after, limit=BATCH))
            if self._turns.is_free(one)
        )
        under_way = chain(
            self._all(partial(_in_state, state=UploadState.OPEN)),
            self._all(partial(_in_state, state=UploadState.COMPLETE, kind=UploadKind.PARTIAL)),
            (one for one in self._all(partial(_in_state, state=UploadState.RECEIVED)) if one.is_damaged),
        )
        ended += sum(self._end_for_cause(one, now) for one in under_way)
        if ended:
            log.info("uploads.swept", extra={"ended": ended})
        return ended

    def assemble_due(self) -> int:
        """The job: make attachments of uploads that are all there and that nobody works on; how many."""
        return self._assembly.begin_due()

    def heed(self) -> None:
        """The job, where several nodes serve: stop what somebody on another node wants."""
        self._turns.heed()

    def close(self) -> None:
        """Stop what goes on behind the requests; it goes on at the next start."""
        self._assembly.close()

    def _known(self, token: str, incoming: Incoming) -> Upload:
        """The link's upload of a token. Raises LinkUnknown."""
        if not is_token(TokenPurpose.FILE, token):
            raise LinkUnknown
        digest = token_digest(token)
        upload = self._records.read(lambda unit: unit.uploads.by_digest(digest))
        if upload is None or incoming.link is None or upload.link_id != incoming.link.id:
            raise LinkUnknown
        return upload

    def _all(self, find: Callable[[Unit, UploadId | None], Sequence[Upload]]) -> Iterator[Upload]:
        after: UploadId | None = None
        while page := self._records.read(lambda unit, after=after: find(unit, after)):  # type: ignore[misc]
            yield from page
            after = page[-1].id

    def _await(self, upload: Upload) -> Upload:
        """The upload, once it is an attachment or that takes too long. Raises what is wrong with the file."""
        if upload.state is not UploadState.RECEIVED:
            return upload
        future = self._assembly.begin(upload.id)
        if wait([future], self._wait_for).done:
            with suppress(Unavailable, UploadLocked):  # its bytes are kept, and a job goes on
                future.result()
        return self._records.read(lambda unit: unit.uploads.get(upload.id)) or upload

    def _check_rights(self, upload: Upload, incoming: Incoming) -> None:
        try:
            self._records.read(lambda unit: self._reception.check_rights(unit, incoming))
        except Gone:
            self._end(upload, "gone")
            raise

    def _end_for_cause(self, upload: Upload, now: datetime) -> bool:
        """End one whose sender may not bring it any more, or that was kept long enough for a store to be mended."""
        if not self._has_rights(upload):
            return self._end(upload, "gone")
        late = upload.is_damaged and upload.expires_at + EVIDENCE_FOR <= now
        return late and self._end(upload, upload.failure or "")

    def _has_rights(self, upload: Upload) -> bool:
        """At the moment that counts: a link that expired once all was received takes nothing away."""
        at = upload.received_at

        def work(unit: Unit) -> bool:
            try:
                self._reception.check_rights(unit, incoming_of(unit, upload), at)
            except (Gone, NotFound):
                return False
            return True

        return self._records.read(work)

    def _end(self, upload: Upload, code: str) -> bool:
        """End it, whoever writes to it. Never raises what the house knows: the sweep comes by again."""

        def may(fresh: Upload) -> bool:
            whole = fresh.state is UploadState.RECEIVED and not fresh.is_damaged
            return not whole and (code != "expired" or fresh.expires_at <= self._clock())

        try:
            return self._drop(upload, code, may)
        except BilagaError as error:
            log.info("upload.not-ended", extra={"upload": upload.id, "code": error.code})
            return False

    def _drop(self, upload: Upload, code: str, may: Callable[[Upload], bool]) -> bool:
        """End it, if it still may be when its turn has come. Raises UploadLocked."""
        gone: list[BlobId] = []

        def work(unit: Unit, fresh: Upload) -> None:
            if not may(fresh):
                raise StateConflict
            gone[:] = self._endings.drop(unit, fresh, code)

        try:
            with self._turns.take(upload.id, None, work) as turn:
                turn.over = True
                self._endings.delete(gone)
        except (StateConflict, NotFound):
            return False
        return True


def _in_state(
    unit: Unit, after: UploadId | None, *, state: UploadState, kind: UploadKind | None = None
) -> Sequence[Upload]:
    return unit.uploads_found.in_state(state, after=after, limit=BATCH, kind=kind)


def _is_piece(upload: Upload) -> bool:
    """Whether its bytes wait to be joined: that is nothing anybody has yet."""
    return upload.kind is UploadKind.PARTIAL and upload.state is UploadState.COMPLETE


def _none_more(upload: Upload, chunks: Iterable[bytes | memoryview], *, offset: int, size: int | None) -> Upload:
    """What an append to an upload that is all there comes to: nothing, if it brings nothing."""
    if offset != upload.offset:
        raise OffsetConflict(offset=upload.offset)
    if size or (size is None and any(len(chunk) for chunk in chunks)):
        raise TooLarge("the upload is complete")
    return upload
