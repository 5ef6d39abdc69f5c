"""Files whose scan was put off are scanned again, from what was sealed; never are they clean by default (M1, M2)."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from audit import Log
from domain.actor import EVERYTHING, SYSTEM
from domain.attachment import Attachment, AttachmentState, step
from domain.clock import Clock
from domain.errors import AlreadyPurged, Damaged, ScannerUnavailable, Unavailable
from domain.event import Event, EventKind
from domain.ids import AttachmentId
from keys import ATTACHMENT, Keys, Lease, LeaseLost, LeaseTaken
from storage import BlobStore, Records, Unit
from transfer.damage import report_damage
from transfer.scanner import Scanner
from transfer.scanning import Outcome, outcome_of
from transfer.send import unsealer_of

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
BATCH = 100


class Rescan:
    """Scans what is in state ``scanning``. Any number of nodes may run it: one at a time does."""

    def __init__(
        self,
        records: Records,
        blobs: BlobStore,
        keys: Keys,
        log: Log,
        clock: Clock,
        scanner: Scanner,
        *,
        batch: int = BATCH,
    ) -> None:
        self._records = records
        self._blobs = blobs
        self._keys = keys
        self._log = log
        self._clock = clock
        self._scanner = scanner
        self._batch = batch

    def run(self) -> int:
        """One round over all that waits; how many files got a verdict. A scanner that is down ends it."""
        if not self._waiting(None):
            return 0
        try:
            with Lease(self._records, "rescan", length=LEASE) as lease:
                return self._round(lease)
        except (LeaseTaken, LeaseLost):
            return 0

    def _round(self, lease: Lease) -> int:
        judged = 0
        after: AttachmentId | None = None
        while rows := self._waiting(after):
            for row in rows:
                try:
                    judged += self._scan(row, lease)
                except ScannerUnavailable:
                    log.warning("rescan.put-off", extra={"attachment_id": row.id})
                    return judged
                except Damaged as error:
                    self._report(row, error)
                except (AlreadyPurged, Unavailable) as error:
                    log.warning("rescan.passed-over", extra={"attachment_id": row.id, "code": error.code})
            after = rows[-1].id
        return judged

    def _waiting(self, after: AttachmentId | None) -> list[Attachment]:
        def work(unit: Unit) -> list[Attachment]:
            return list(unit.inventory.in_states({AttachmentState.SCANNING}, after=after, limit=self._batch))

        return self._records.read(work)

    def _scan(self, row: Attachment, lease: Lease) -> bool:
        key = self._records.read(lambda unit: self._keys.get(unit, row.id, ATTACHMENT))
        with self._blobs.open(row.blob_id) as blob:
            unsealer = unsealer_of(row, key, self._keys.context(row.id, ATTACHMENT), blob)
            scanning = self._scanner.begin()
            try:
                for piece in unsealer.read():
                    scanning.feed(piece)
                    lease.prolong()
                outcome = outcome_of(scanning.verdict())
            finally:
                scanning.abort()
                unsealer.close()
        return self._records.write(lambda unit: self._judge(unit, row, outcome, lease))

    def _judge(self, unit: Unit, row: Attachment, outcome: Outcome, lease: Lease) -> bool:
        lease.guard(unit)
        fresh = unit.attachments.get(row.id, EVERYTHING)
        # The verdict is of these bytes: of another blob, or of a file judged meanwhile, it says nothing.
        if fresh is None or fresh.state is not AttachmentState.SCANNING or fresh.sealed_sha256 != row.sealed_sha256:
            return False
        available = outcome.state is AttachmentState.AVAILABLE
        unit.attachments.save(
            replace(
                fresh,
                state=step(fresh.state, outcome.state),
                scan=outcome.scan,
                scanned_by=outcome.engine,
                available_at=self._clock() if available else None,
                version=fresh.version + 1,
            )
        )
        facts = {"scan": outcome.scan.value, "engine": outcome.engine, "signature": outcome.signature}
        self._log.append(unit, Event(EventKind.SCAN_FINISHED, SYSTEM, row.id, facts))
        return True

    def _report(self, row: Attachment, error: Damaged) -> None:
        try:
            report_damage(self._records, self._log, row.id, error, SYSTEM)
        except AlreadyPurged:
            log.info("rescan.purged", extra={"attachment_id": row.id})
