"""After a crash: what a dead process left half received is taken away (crash rows U1 to U3), and nothing else.

A row under way names the node that receives it. It is ended where that node is dead; should the node only have been
paused, it finds its row gone when it wants to finish (S-71).

A row comes before its blob and goes before its blob, so a blob without a row is garbage for ever (S-7).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from audit import Log
from domain.actor import EVERYTHING, SYSTEM
from domain.attachment import Attachment, AttachmentState
from domain.clock import Clock
from domain.errors import BilagaError
from domain.event import Event, EventKind
from domain.ids import AttachmentId, BlobId
from domain.upload import UploadState
from keys import Node
from storage import BlobStore, Records, Unit
from transfer.room import end_receiving
from transfer.steps import Steps, unwatched

log = logging.getLogger(__name__)

BATCH = 500
STALE_AFTER = timedelta(hours=24)
"""How old a blob without a row must be before a running service takes it away (S-7, S-49)."""
SETTLED = timedelta(minutes=5)
"""How old a node's own upload must be before it counts as left: its claim is surely known here by then."""

AtWork = Callable[[AttachmentId], bool]
"""Whether this very process is at work on an upload."""


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

    def at_start(self) -> int:
        """Before serving, where no other process serves this site: what is still receiving, nobody receives. How many
        uploads were ended."""
        return self._end_all(_theirs)

    def end_left(self, node: Node, at_work: AtWork) -> int:
        """End the uploads of nodes that died, and those of this one that no request is at work on: it could not give
        them up when it should have. How many. Nothing, where this node cannot know who lives."""
        now = self._records.now()
        if not node.judges(now):
            return 0
        settled = self._clock() - SETTLED

        def is_left(unit: Unit, row: Attachment) -> bool:
            if row.node == node.id:
                return row.created_at < settled and not at_work(row.id)
            return row.node not in node.living(unit, now)

        return self._end_all(is_left)

    def sweep(self) -> int:
        """Blobs without rows, once they are old; how many were taken."""
        return self.delete_orphans(self._clock() - STALE_AFTER)

    def _end_all(self, is_left: Callable[[Unit, Attachment], bool]) -> int:
        """End what is receiving and left: row, key, room, then the blob. A bad one stops nothing."""
        ended = 0
        after: AttachmentId | None = None

        def is_nobodys(unit: Unit, row: Attachment) -> bool:
            return is_left(unit, row) and not _is_kept(unit, row)

        while rows := self._receiving(after):
            left = self._records.read(partial(_those, rows=rows, is_left=is_nobodys))
            for row in left:
                try:
                    ended += self._end(row, is_nobodys)
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

    def _receiving(self, after: AttachmentId | None) -> list[Attachment]:
        receiving = {AttachmentState.RECEIVING}
        return list(
            self._records.read(lambda unit: unit.inventory.in_states(receiving, after=after, limit=self._batch))
        )

    def _end(self, row: Attachment, is_left: Callable[[Unit, Attachment], bool]) -> bool:
        def work(unit: Unit) -> bool:
            fresh = unit.attachments.get(row.id, EVERYTHING)
            if fresh is None or fresh.state is not AttachmentState.RECEIVING or not is_left(unit, fresh):
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
        named = self._records.write(
            lambda unit: set(unit.inventory.by_blobs(blob_ids)) | unit.upload_parts.named(blob_ids)
        )
        deleted = 0
        for blob_id in {*blob_ids} - named:
            try:
                self._blobs.delete(blob_id)
                deleted += 1
            except BilagaError as error:
                log.warning("blob.not-swept", extra={"code": error.code})
        return deleted


def _theirs(unit: Unit, row: Attachment) -> bool:  # noqa: ARG001  # whoever it was that received it
    return True


def _is_kept(unit: Unit, row: Attachment) -> bool:
    """Whether it is an upload's that may go on on any node: that ends by itself (``transfer/resume.py``)."""
    upload = unit.uploads_found.of_attachment(row.id)
    return upload is not None and upload.state not in {UploadState.JOINED, UploadState.FAILED}


def _those(unit: Unit, *, rows: Sequence[Attachment], is_left: Callable[[Unit, Attachment], bool]) -> list[Attachment]:
    return [row for row in rows if is_left(unit, row)]
