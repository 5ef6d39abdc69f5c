"""Bytes out: current rights, then the key, then proof that the stream is whole, and only then the first byte (S-26)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit import Log
from crypto import Context, DataKey, Unsealer
from domain.actor import EVERYTHING, Action, Actor, Role
from domain.attachment import Attachment, AttachmentState
from domain.clock import Clock
from domain.errors import (
    AlreadyPurged,
    BilagaError,
    BlobMissing,
    Damaged,
    LinkUsedUp,
    NotFound,
    NotReady,
    Quarantined,
    StreamTruncated,
)
from domain.event import Event, EventKind
from domain.ids import AttachmentId
from domain.link import Grant
from keys import ATTACHMENT, Keys
from storage import BlobReader, BlobStore, Records, Unit
from transfer.damage import report_damage
from transfer.media_types import safe_media_type
from transfer.ranges import select

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(minutes=1)
"""How often a running download looks whether its attachment may still be sent (S-30, S-73)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads: an actor by its rights, or whoever holds a grant (then ``actor`` is a requester)."""

    actor: Actor
    grant: Grant | None = None

    @classmethod
    def by_grant(cls, grant: Grant) -> Reading:
        """The holder of a grant, as ``links`` gave it now."""
        return cls(Actor(Role.REQUESTER), grant)


@dataclass(frozen=True, slots=True)
class Content:
    """What headers say about an attachment that can be sent."""

    attachment: Attachment
    name: str
    media_type: str
    size: int
    etag: str


class Sending:
    """Sends attachments. Safe to use from any thread."""

    def __init__(self, records: Records, blobs: BlobStore, keys: Keys, log: Log, clock: Clock) -> None:
        self._records = records
        self._blobs = blobs
        self._keys = keys
        self._log = log
        self._clock = clock

    def look(self, reading: Reading, attachment_id: AttachmentId) -> Content:
        """What a HEAD answers: as ``open`` decides, and nothing is counted, spent or written down."""
        return self._known(reading, attachment_id)[0]

    def open(
        self,
        reading: Reading,
        attachment_id: AttachmentId,
        *,
        range_header: str | None = None,
        if_range: str | None = None,
    ) -> Download:
        """A download, proven to begin and end as it should: header, commitment, length, first and last wanted segment.

        A grant's budget is taken for all that is wanted; a whole file or the first part of one counts as a download of
        the actor's (a grant's was counted when it was taken). Raises NotFound, NotAllowed, NotReady, Quarantined,
        AlreadyPurged, LinkUsedUp (budget or time of the grant), RangeNotSatisfiable, Damaged, BlobsUnavailable,
        KeysUnavailable.
        """
        content, key, context = self._known(reading, attachment_id)
        wanted = select(range_header, if_range, size=content.size, etag=content.etag)
        start, stop = wanted or (0, content.size)
        blob, unsealer = self._prove(content.attachment, key, context, (start, stop), reading.actor)
        try:
            self._records.write(lambda unit: self._begin(unit, reading, attachment_id, start, stop))
        except BaseException:
            unsealer.close()
            blob.close()
            raise
        return Download(
            self, reading, content, blob=blob, unsealer=unsealer, start=start, stop=stop, partial=wanted is not None
        )

    def _known(self, reading: Reading, attachment_id: AttachmentId) -> tuple[Content, DataKey, Context]:
        known = self._records.read(lambda unit: self._look(unit, reading, attachment_id))
        if isinstance(known, Damaged):
            self.report_damage(attachment_id, known, reading.actor)
            raise known
        return known

    def content(self, unit: Unit, reading: Reading, attachment_id: AttachmentId) -> Content:
        """As ``look``, in the caller's transaction; damage found here is raised and not written down."""
        known = self._look(unit, reading, attachment_id)
        if isinstance(known, Damaged):
            raise known
        return known[0]

    def _look(
        self, unit: Unit, reading: Reading, attachment_id: AttachmentId
    ) -> tuple[Content, DataKey, Context] | Damaged:
        row = self._readable(unit, reading, attachment_id)
        context = self._keys.context(row.id, ATTACHMENT)
        if row.name_sealed is None or row.sha256 is None or row.size is None:
            raise AlreadyPurged
        try:
            key = self._keys.get(unit, row.id, ATTACHMENT)
            name = key.open_text(row.name_sealed, "name", context)
        except Damaged as error:
            return error  # found just now, so to be written down: not in here, where nothing may be written
        return Content(row, name, safe_media_type(row.media_type), row.size, f'"{row.sha256.hex()}"'), key, context

    def _readable(self, unit: Unit, reading: Reading, attachment_id: AttachmentId) -> Attachment:
        """The row, if this reader may have its bytes now (S-52, S-60)."""
        if reading.grant is None:
            scope = reading.actor.scope(Action.READ_FILE)
        elif reading.grant.attachment_id == attachment_id:
            scope = EVERYTHING
        else:
            raise NotFound
        row = unit.attachments.get(attachment_id, scope)
        if row is None or row.state is AttachmentState.RECEIVING:
            raise NotFound
        if row.state is AttachmentState.SCANNING:
            raise NotReady
        if row.state is AttachmentState.QUARANTINED:
            raise Quarantined
        if row.state is AttachmentState.DAMAGED:
            raise Damaged
        if row.state is not AttachmentState.AVAILABLE:
            raise AlreadyPurged
        return row

    def _prove(
        self, row: Attachment, key: DataKey, context: Context, wanted: tuple[int, int], actor: Actor
    ) -> tuple[BlobReader, Unsealer]:
        blob = None
        try:
            blob = self._blobs.open(row.blob_id)
            unsealer = unsealer_of(row, key, context, blob)
            unsealer.check(*wanted)
        except BaseException as error:
            if blob is not None:
                blob.close()
            if isinstance(error, Damaged):
                self.report_damage(row.id, error, actor)
            raise
        return blob, unsealer

    def _begin(self, unit: Unit, reading: Reading, attachment_id: AttachmentId, start: int, stop: int) -> None:
        # Again, now that it counts: what was purged or locked away meanwhile is not begun (S-38).
        self._readable(unit, reading, attachment_id)
        grant = reading.grant
        if grant is not None and not unit.grants.spend(grant.id, size=stop - start, now=self._clock()):
            raise LinkUsedUp
        if grant is None and start == 0:
            unit.attachments.count_download(attachment_id)
        self._write(unit, EventKind.DOWNLOAD_STARTED, reading, attachment_id, start=start, stop=stop)

    def still_readable(self, attachment_id: AttachmentId) -> bool:
        """Whether a running download may go on."""
        row = self._records.read(lambda unit: unit.attachments.get(attachment_id, EVERYTHING))
        return row is not None and row.state is AttachmentState.AVAILABLE

    def end(self, reading: Reading, attachment_id: AttachmentId, *, wanted: int, delivered: int) -> None:
        """Write down how a download ended, and give a grant back what it did not get."""

        def work(unit: Unit) -> None:
            grant = reading.grant
            if grant is not None and delivered < wanted:
                unit.grants.refund(grant.id, size=wanted - delivered)
            self._write(
                unit,
                EventKind.DOWNLOAD_ENDED,
                reading,
                attachment_id,
                delivered=delivered,
                complete=delivered == wanted,
            )

        self._records.write(work)

    def report_damage(self, attachment_id: AttachmentId, cause: Damaged, actor: Actor) -> None:
        """As ``transfer.damage`` has it. Raises AlreadyPurged where a purge was the cause."""
        report_damage(self._records, self._log, attachment_id, cause, actor)

    def now(self) -> datetime:
        """The present instant, for downloads under way."""
        return self._clock()

    def _write(
        self,
        unit: Unit,
        kind: EventKind,
        reading: Reading,
        attachment_id: AttachmentId,
        **facts: str | int | bool,
    ) -> None:
        grant = reading.grant
        by: dict[str, str | int | bool] = {"grant": grant.id, "link": grant.link_id} if grant else {}
        self._log.append(unit, Event(kind, reading.actor, attachment_id, by | facts))


class Download:
    """A download under way: ``chunks`` once, then ``close`` in any case, with the bytes that went out."""

    def __init__(
        self,
        sending: Sending,
        reading: Reading,
        content: Content,
        *,
        blob: BlobReader,
        unsealer: Unsealer,
        start: int,
        stop: int,
        partial: bool,
    ) -> None:
        self.name = content.name
        self.media_type = content.media_type
        self.size = content.size
        self.etag = content.etag
        self.start = start
        self.stop = stop
        self.partial = partial
        self.attachment = content.attachment
        self._sending = sending
        self._reading = reading
        self._blob = blob
        self._unsealer = unsealer
        self._closed = False

    @property
    def length(self) -> int:
        """Bytes that ``chunks`` gives."""
        return self.stop - self.start

    def chunks(self) -> Iterator[bytes]:
        """The wanted bytes in pieces of at most 1 MiB, each authenticated before it is given; in a worker's thread.

        Raises Damaged (the attachment is marked, the alarm raised), AlreadyPurged where it may not be sent any more,
        BlobsUnavailable: the connection is then to be cut, not closed in order.
        """
        look_at = self._sending.now() + LOOK_EVERY
        pieces = self._unsealer.read(self.start, self.stop)
        while True:
            try:
                piece = next(pieces, None)
            except Damaged as error:
                self._sending.report_damage(self.attachment.id, error, self._reading.actor)
                raise
            if piece is None:
                return
            if self._sending.now() >= look_at:
                if not self._sending.still_readable(self.attachment.id):
                    raise AlreadyPurged
                look_at = self._sending.now() + LOOK_EVERY
            yield piece

    def close(self, delivered: int) -> None:
        """Let go of blob and key, and write down how many bytes went out; again is nothing."""
        if self._closed:
            return
        self._closed = True
        self._unsealer.close()
        self._blob.close()
        try:
            self._sending.end(
                self._reading, self.attachment.id, wanted=self.length, delivered=min(max(delivered, 0), self.length)
            )
        except BilagaError as error:
            log.warning("download.end-not-recorded", extra={"attachment_id": self.attachment.id, "code": error.code})


def unsealer_of(row: Attachment, key: DataKey, context: Context, blob: BlobReader) -> Unsealer:
    """An unsealer of an attachment's blob, after the store's size of it agreed with ours. Raises Damaged."""
    if row.sealed_size is None or row.commitment is None:
        raise BlobMissing
    if blob.size != row.sealed_size:
        raise StreamTruncated
    return Unsealer(
        key,
        context,
        blob.read_at,
        sealed_size=row.sealed_size,
        commitment=row.commitment,
        segment_size=row.segment_size,
    )
