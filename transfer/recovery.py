"""After a crash: what a dead process left half received is taken away (crash rows U1 to U3), and nothing else.

A row comes before its blob and goes before its blob, so a blob without a row is garbage for ever (S-7).
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from audit import Log
from domain.actor import EVERYTHING, SYSTEM
from domain.attachment import Attachment, AttachmentState
from domain.clock import Clock
from domain.errors import BilagaError
from domain.event import Event, EventKind
from domain.ids import AttachmentId, BlobId
from storage import BlobStore, Records, Unit
from transfer.room import end_receiving
from transfer.steps import Steps, unwatched

log = logging.getLogger(__name__)

BATCH = 500
STALE_AFTER = timedelta(hours=24)
"""How old an unfinished upload or a blob without a row must be before a running service takes it away (S-7, S-49)."""


class Recovery:
    """Takes away what uploads left behind. Safe to run twice, at once too, and to be killed."""

    def __init__(
        self,
        records: Records,
        blobs: BlobStore,
        log: Log,
        clock: Clock,
        *,
        steps: Steps = unwatched,
        batch: int = BATCH,
    ) -> None:
        self._batch = batch
        self._records = records
        self._blobs = blobs
        self._log = log
        self._clock = clock
        self._steps = steps

    def at_start(self, *, alone: bool) -> int:
        """Before serving. ``alone``: no other process serves this site, so what is still receiving, nobody receives;
        else only what is stale. How many uploads were ended."""
        return self.end_receiving(None if alone else self._clock() - STALE_AFTER)

    def sweep(self) -> int:
        """What the running service does now and then: stale uploads, then blobs without rows; how many were taken."""
        before = self._clock() - STALE_AFTER
        return self.end_receiving(before) + self.delete_orphans(before)

    def end_receiving(self, created_before: datetime | None) -> int:
        """End uploads begun before an instant (None: all): row, key, room, then the blob. A bad one stops nothing."""
        ended = 0
        after: AttachmentId | None = None
        while rows := self._receiving(created_before, after):
            for row in rows:
                try:
                    ended += self._end(row)
                except BilagaError as error:
                    log.error("upload.not-ended", extra={"attachment_id": row.id, "code": error.code})
            after = rows[-1].id
        if ended:
            log.info("upload.recovered", extra={"ended": ended})
        return ended

    def delete_orphans(self, before: datetime) -> int:
        """Delete blobs, finished or not, that no row names and that were last written before an instant."""
        deleted = 0
        batch: list[BlobId] = []
        for stat in self._blobs.iterate():
            if stat.modified_at < before:
                batch.append(stat.blob_id)
            if len(batch) >= self._batch:
                deleted += self._delete_unnamed(batch)
                batch = []
        deleted += self._delete_unnamed(batch)
        if deleted:
            log.info("blobs.swept", extra={"deleted": deleted})
        return deleted

    def _receiving(self, created_before: datetime | None, after: AttachmentId | None) -> list[Attachment]:
        return list(
            self._records.read(
                lambda unit: unit.inventory.in_states(
                    {AttachmentState.RECEIVING}, created_before=created_before, after=after, limit=self._batch
                )
            )
        )

    def _end(self, row: Attachment) -> bool:
        def work(unit: Unit) -> bool:
            fresh = unit.attachments.get(row.id, EVERYTHING)
            if fresh is None or fresh.state is not AttachmentState.RECEIVING:
                return False
            end_receiving(unit, fresh)
            facts = {"ticket": fresh.ticket_id, "link": fresh.link_id, "code": "interrupted"}
            self._log.append(unit, Event(EventKind.UPLOAD_REFUSED, SYSTEM, fresh.id, facts))
            return True

        if not self._records.write(work):
            return False
        self._steps("ended")
        self._blobs.delete(row.blob_id)
        return True

    def _delete_unnamed(self, blob_ids: list[BlobId]) -> int:
        if not blob_ids:
            return 0
        # In a writing transaction: whatever row is being committed now is seen (S-7: re-checked under lock).
        named = self._records.write(lambda unit: set(unit.inventory.by_blobs(blob_ids)))
        deleted = 0
        for blob_id in {*blob_ids} - named:
            try:
                self._blobs.delete(blob_id)
                deleted += 1
            except BilagaError as error:
                log.warning("blob.not-swept", extra={"code": error.code})
        return deleted
