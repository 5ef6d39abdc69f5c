"""Bytes in: the one journey of every upload (S-93): claim, seal, finish, or abandon.

``claim`` before the body, in one transaction; ``seal`` in a worker's thread, while the body comes in; ``finish`` in one
transaction for all files of a request. Whatever fails in between, ``abandon`` leaves nothing behind (S-3). Where each
step's crash is mended: ``transfer/recovery.py``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from audit import Log
from crypto import SEGMENT_SIZE, STREAM_FORMAT, TokenPurpose, new_blob_id, new_id, new_token, token_digest
from domain.actor import EVERYTHING, SYSTEM, Action
from domain.attachment import Attachment, AttachmentState, Scan, step
from domain.clock import Clock
from domain.errors import (
    BadInput,
    BilagaError,
    Gone,
    Infected,
    LinkRevoked,
    NotFound,
    StateConflict,
    StorageFull,
    TooLarge,
    Unavailable,
)
from domain.event import Event, EventKind
from domain.ids import AttachmentId, ReceiptId, TicketId
from domain.link import LinkKind, Receipt
from keys import ATTACHMENT, Keys
from storage import BlobStore, Records, Unit
from transfer.claim import Claim, Incoming, Limits, Sealed
from transfer.inspect import TypePolicy
from transfer.names import stored_name
from transfer.room import claim_room, end_receiving, settle_room
from transfer.sealing import Sealing
from transfer.steps import Steps, unwatched

log = logging.getLogger(__name__)

Touched = Callable[[Unit, TicketId, datetime], None]
"""Tells ``tickets`` that a ticket had activity: its due date is recomputed in the same transaction."""

_LOOK_AGAIN = (0.0, 0.2, 1.0, 3.0)
"""Seconds before each look at what became of a commit whose outcome is unknown (S-16)."""


class Keeping(Protocol):
    """Whoever keeps a claim beyond its request, in the transaction that makes it."""

    @property
    def typed(self) -> bool:
        """Whether the name is that of a file, and tells its type."""
        ...

    def before(self, unit: Unit) -> ReceiptId | None:
        """Asked before room is taken: the file's receipt."""
        ...

    def take(self, unit: Unit, claim: Claim) -> None:
        """Keep it."""
        ...


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """One acknowledged file: its row, and its name in clear."""

    attachment: Attachment
    name: str


@dataclass(frozen=True, slots=True)
class Received:
    """What one request brought in. ``receipt_token`` is shown this once; both None without a link."""

    files: tuple[ReceivedFile, ...]
    receipt: Receipt | None
    receipt_token: str | None


class Reception:
    """Receives files. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        blobs: BlobStore,
        keys: Keys,
        log: Log,
        clock: Clock,
        *,
        sealing: Sealing,
        policy: TypePolicy,
        limits: Limits,
        touched: Touched,
        node: str,
        steps: Steps = unwatched,
    ) -> None:
        self._records = records
        self._blobs = blobs
        self._keys = keys
        self._log = log
        self._clock = clock
        self._sealing = sealing
        self._policy = policy
        self._limits = limits
        self._touched = touched
        self._node = node
        self._open: set[AttachmentId] = set()
        self._steps = steps

    # -- before the body ---------------------------------------------------------------------------------------------
    def claim(
        self, incoming: Incoming, raw_name: str | bytes, declared_size: int | None, *, to: Keeping | None = None
    ) -> Claim:
        """Everything that can be refused before a byte is read (S-40), then room, key and row in one transaction.

        ``to``: who keeps the claim from there on, where it outlives this request.

        Raises BadInput, TypeNotAllowed, TooLarge, QuotaExceeded, TooMany, StorageFull, ScannerUnavailable, NotAllowed,
        NotFound, LinkExpired, LinkRevoked, Gone: and nothing is kept but the refusal's event.
        """
        try:
            name = stored_name(raw_name)
            self._check(incoming, name, declared_size, typed=to is None or to.typed)
            claim = self._records.write(lambda unit: self._claim(unit, incoming, name, declared_size, to))
        except BilagaError as refusal:
            self._record_refusal(incoming, None, refusal)
            raise
        if to is None:
            self._open.add(claim.attachment_id)
        self._steps("claimed")
        return claim

    def is_at_work(self, attachment_id: AttachmentId) -> bool:
        """Whether a claim made here is neither finished nor abandoned yet. One made just now may not be known yet."""
        return attachment_id in self._open

    def _check(self, incoming: Incoming, name: str, declared: int | None, *, typed: bool) -> None:
        if declared is not None and declared < 0:
            raise BadInput("a size is never negative")
        if declared is not None and declared > self._limits.max_file_size:
            raise TooLarge(max_size=self._limits.max_file_size)
        if typed:
            self._policy.check_name(name, incoming.allowed_types)
        self._sealing.check_ready()
        if self._blobs.space().free <= (declared or 0):
            raise StorageFull

    def _claim(self, unit: Unit, incoming: Incoming, name: str, declared: int | None, to: Keeping | None) -> Claim:
        self.check_rights(unit, incoming)
        receipt_id = None if to is None else to.before(unit)
        attachment_id = AttachmentId(new_id())
        self._open_ticket_quota(unit, incoming.ticket_id)
        key = self._keys.new(unit, attachment_id, ATTACHMENT)
        context = self._keys.context(attachment_id, ATTACHMENT)
        row = Attachment(
            id=attachment_id,
            ticket_id=incoming.ticket_id,
            link_id=incoming.link.id if incoming.link else None,
            receipt_id=receipt_id,
            blob_id=new_blob_id(),
            name_sealed=key.seal_text(name, "name", context),
            declared_size=declared,
            reserved_bytes=declared or 0,
            size=None,
            sealed_size=None,
            sha256=None,
            sealed_sha256=None,
            commitment=None,
            segment_size=SEGMENT_SIZE,
            stream_format=STREAM_FORMAT,
            media_type=None,
            state=AttachmentState.RECEIVING,
            scan=Scan.NONE,
            scanned_by=None,
            source=incoming.source,
            created_at=self._clock(),
            available_at=None,
            download_count=0,
            purge_reason=None,
            purged_at=None,
            certificate_id=None,
            version=1,
            node=self._node,
        )
        claim_room(unit, row, self._limits.organisation_max_bytes)
        unit.attachments.add(row)
        self._write(unit, EventKind.UPLOAD_STARTED, incoming, row.id, declared_size=declared)
        claim = Claim(
            incoming, row.id, row.blob_id, name, declared, key, context, row.reserved_bytes, receipt_id=receipt_id
        )
        if to is not None:
            to.take(unit, claim)
        return claim

    def check_rights(self, unit: Unit, incoming: Incoming, at: datetime | None = None) -> None:
        """Whether the sender may bring files to the ticket (S-48, S-52). ``at``: the instant at which its link must not
        have been expired; None: now. Raises NotAllowed, NotFound, LinkExpired, LinkRevoked, Gone."""
        ticket = unit.tickets.by_id(incoming.ticket_id, incoming.actor.scope(Action.SEND_FILE))
        if ticket is None:
            raise NotFound
        if ticket.erased_at is not None:
            raise Gone("this ticket has been erased")
        if incoming.link is not None:
            link = unit.links.get(incoming.link.id, EVERYTHING)
            if link is None or link.kind is not LinkKind.UPLOAD or link.ticket_id != ticket.id:
                raise LinkRevoked
            link.check_alive(at or self._clock())

    def _open_ticket_quota(self, unit: Unit, ticket_id: TicketId) -> None:
        wanted = (self._limits.ticket_max_files, self._limits.ticket_max_bytes)
        quota = unit.quotas.get(ticket_id)
        if quota is None or (quota.max_files, quota.max_bytes) != wanted:
            unit.quotas.open(ticket_id, max_files=wanted[0], max_bytes=wanted[1])

    # -- the body ----------------------------------------------------------------------------------------------------
    def seal(self, claim: Claim, chunks: Iterable[bytes | memoryview]) -> Sealed:
        """Take the body in: in a worker's thread, since it blocks. See ``Sealing.seal`` for what it raises; whatever
        that is, no blob is left, and ``abandon`` is to end the claim."""
        return self._sealing.seal(claim, chunks)

    # -- after the body ----------------------------------------------------------------------------------------------
    def finish(self, sealed: Sequence[Sealed], *, then: Callable[[Unit, Received], None] | None = None) -> Received:
        """Acknowledge all files of a request at once, or none. ``then`` is called in the same transaction.

        Raises LinkExpired, LinkRevoked, Gone where the link or the ticket ended meanwhile: the files are then to be
        abandoned, as after any other error (which does not touch what was committed after all).
        """
        if not sealed:
            raise BadInput("no file was sent")
        incoming = sealed[0].claim.incoming
        receipt, token = None, None
        if incoming.link is not None and sealed[0].claim.receipt_id is None:
            receipt = Receipt(ReceiptId(new_id()), incoming.ticket_id, incoming.link.id, self._clock())
            token = new_token(TokenPurpose.RECEIPT)
        try:
            received = self._records.write(lambda unit: self._finish(unit, sealed, receipt, token, then))
        except Unavailable:
            rows = self._look_up([one.claim.attachment_id for one in sealed])
            if rows is None:
                raise
            received = _received(sealed, rows, receipt, token)
        for one in sealed:
            self._end(one.claim)
        self._steps("finished")
        return received

    def _finish(
        self,
        unit: Unit,
        sealed: Sequence[Sealed],
        receipt: Receipt | None,
        token: str | None,
        then: Callable[[Unit, Received], None] | None,
    ) -> Received:
        incoming = sealed[0].claim.incoming
        self.check_rights(unit, incoming, sealed[0].claim.received_at)
        if receipt is not None and token is not None:
            unit.receipts.add(receipt, token_digest(token))
        rows = [self._finish_one(unit, one, receipt) for one in sealed]
        if incoming.is_activity:
            self._touched(unit, incoming.ticket_id, self._clock())
        received = _received(sealed, rows, receipt, token)
        if then is not None:
            then(unit, received)
        return received

    def _finish_one(self, unit: Unit, sealed: Sealed, receipt: Receipt | None) -> Attachment:
        claim, stream, outcome = sealed.claim, sealed.stream, sealed.outcome
        row = unit.attachments.get(claim.attachment_id, EVERYTHING)
        if row is None or row.state is not AttachmentState.RECEIVING:
            raise StateConflict("this upload was ended", state=None if row is None else row.state.value)
        settle_room(unit, row, stream.plaintext_size)
        done = replace(
            row,
            receipt_id=receipt.id if receipt else row.receipt_id,
            blob_id=claim.blob_id,
            reserved_bytes=0,
            size=stream.plaintext_size,
            sealed_size=stream.sealed_size,
            sha256=sealed.sha256,
            sealed_sha256=stream.sealed_sha256,
            commitment=stream.commitment,
            media_type=sealed.media_type,
            state=step(row.state, outcome.state),
            scan=outcome.scan,
            scanned_by=outcome.engine,
            available_at=self._clock() if outcome.state is AttachmentState.AVAILABLE else None,
            version=row.version + 1,
        )
        unit.attachments.save(done)
        self._write(
            unit,
            EventKind.UPLOAD_FINISHED,
            claim.incoming,
            row.id,
            receipt=done.receipt_id,
            size=done.size,
            sealed_sha256=stream.sealed_sha256.hex(),
            state=done.state.value,
            scan=done.scan.value,
        )
        if outcome.engine is not None:
            facts = {"scan": outcome.scan.value, "engine": outcome.engine, "signature": outcome.signature}
            self._log.append(unit, Event(EventKind.SCAN_FINISHED, SYSTEM, row.id, facts))
        return done

    def _look_up(self, ids: Sequence[AttachmentId]) -> list[Attachment] | None:
        """The rows, where the commit of ``finish`` happened after all: nothing else takes a row out of receiving."""
        for pause in _LOOK_AGAIN:
            time.sleep(pause)
            try:
                rows = self._records.read(lambda unit: [unit.attachments.get(one, EVERYTHING) for one in ids])
            except Unavailable:
                continue
            done = [row for row in rows if row is not None and row.state is not AttachmentState.RECEIVING]
            return done if len(done) == len(ids) else None
        return None

    # -- instead of the end ------------------------------------------------------------------------------------------
    def abandon(self, claims: Iterable[Claim], cause: BaseException | None = None) -> None:
        """End claims that came to nothing: row, key, room, then the blob. Again, or for finished ones, it does nothing.

        To be called when no ``seal`` of them runs any more. Never raises what the house knows: what could not be done
        now is done by recovery, and logged.
        """
        why = {"code": cause.code if isinstance(cause, BilagaError) else "interrupted"}
        if isinstance(cause, Infected):
            why["signature"] = str(cause.facts.get("signature"))
        open_claims = [claim for claim in claims if not claim.ended]
        if not open_claims:
            return
        try:
            nobodys = self._records.write(lambda unit: [one for one in open_claims if self._abandon(unit, one, why)])
        except BilagaError as error:
            log.warning("upload.not-abandoned", extra={"attachments": len(open_claims), "code": error.code})
            # Nobody is at work on them any more: now they are recovery's.
            self._open.difference_update(one.attachment_id for one in open_claims)
            return
        self._steps("abandoned")
        for claim in open_claims:
            self._end(claim)
        for claim in nobodys:
            try:
                self._blobs.delete(claim.blob_id)
            except BilagaError as error:
                log.warning("upload.blob-left", extra={"attachment_id": claim.attachment_id, "code": error.code})

    def _end(self, claim: Claim) -> None:
        claim.ended = True
        self._open.discard(claim.attachment_id)

    def _abandon(self, unit: Unit, claim: Claim, why: Mapping[str, str]) -> bool:
        """Whether its blob is nobody's any more."""
        row = unit.attachments.get(claim.attachment_id, EVERYTHING)
        if row is None:
            return True  # another node took us for dead and ended it, but we may have written on
        if row.state is not AttachmentState.RECEIVING:
            return False
        end_receiving(unit, row)
        self._write(unit, EventKind.UPLOAD_REFUSED, claim.incoming, row.id, **why)
        return True

    def _record_refusal(self, incoming: Incoming, attachment_id: AttachmentId | None, refusal: BilagaError) -> None:
        try:
            self._records.write(
                lambda unit: self._write(unit, EventKind.UPLOAD_REFUSED, incoming, attachment_id, code=refusal.code)
            )
        except BilagaError as error:
            log.warning("upload.refusal-not-recorded", extra={"code": error.code})

    def _write(
        self,
        unit: Unit,
        kind: EventKind,
        incoming: Incoming,
        attachment_id: AttachmentId | None,
        **facts: str | int | None,
    ) -> None:
        link_id = incoming.link.id if incoming.link else None
        about: dict[str, str | int | None] = {"ticket": incoming.ticket_id, "link": link_id}
        self._log.append(unit, Event(kind, incoming.actor, attachment_id, about | facts))


def _received(
    sealed: Sequence[Sealed], rows: Sequence[Attachment], receipt: Receipt | None, token: str | None
) -> Received:
    files = tuple(ReceivedFile(row, one.claim.name) for one, row in zip(sealed, rows, strict=True))
    return Received(files, receipt, token)
