"""The scrub: every blob is authenticated end to end within thirty days, a little every hour (S-9)."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from datetime import timedelta

from domain.actor import EVERYTHING, SYSTEM
from domain.attachment import Attachment, AttachmentState
from domain.errors import AlreadyPurged, Damaged, Unavailable, WrongContext
from domain.ids import AttachmentId
from keys import ATTACHMENT, Keys
from storage import BlobStore, Records, Unit
from transfer.send import Sending, unsealer_of

log = logging.getLogger(__name__)
ROUND = timedelta(days=30)
MARK = "scrub-after"
SCRUBBED = frozenset({AttachmentState.AVAILABLE, AttachmentState.QUARANTINED})
PIECE = 1 << 20
BATCH = 100

GoOn = Callable[[], None]


def _always() -> None:
    """Nobody takes over."""


class Scrub:
    """Looks at the next few attachments each time it runs, and remembers where it is across restarts.

    ``every``: how often it is run, from which the size of a step follows.
    """

    def __init__(self, records: Records, blobs: BlobStore, keys: Keys, sending: Sending, *, every: timedelta) -> None:
        self._records = records
        self._blobs = blobs
        self._keys = keys
        self._sending = sending
        self._share = every / ROUND

    def run(self, go_on: GoOn = _always) -> int:
        """One step; how many attachments were found damaged. ``go_on`` is called before each piece that is read: what
        it raises ends the step. Raises Unavailable."""
        live = self._records.read(lambda unit: unit.inventory.live_count())
        return self.step(math.ceil(live * self._share), go_on)

    def step(self, count: int, go_on: GoOn = _always) -> int:
        """Authenticate the next ``count`` attachments; how many were found damaged."""
        damaged = 0
        while count > 0:
            rows = self._next(min(count, BATCH))
            if not rows:
                break  # the round is over; the next step begins anew
            damaged += sum(not self._whole(row, go_on) for row in rows)
            count -= len(rows)
        return damaged

    def _next(self, limit: int) -> Sequence[Attachment]:
        """The next rows after the last step's; the place is noted first, so that one that kills us is passed over."""

        def work(unit: Unit) -> Sequence[Attachment]:
            after = unit.site.get(MARK)
            rows = unit.inventory.in_states(SCRUBBED, after=AttachmentId(after) if after else None, limit=limit)
            unit.site.put(MARK, rows[-1].id if rows else "")
            return rows

        return self._records.write(work)

    def _whole(self, row: Attachment, go_on: GoOn) -> bool:
        """Whether the blob is what was sealed. What is not is marked, with event and alarm; the evidence stays."""
        try:
            key = self._records.read(lambda unit: self._keys.find(unit, row.id, ATTACHMENT))
            if key is None:
                return self._changed(row)
            digest = hashlib.sha256()
            with self._blobs.open(row.blob_id) as blob:
                for offset in range(0, blob.size, PIECE):
                    go_on()
                    digest.update(blob.read_at(offset, PIECE))
                unsealer = unsealer_of(row, key, self._keys.context(row.id, ATTACHMENT), blob)
                try:
                    unsealer.check()
                    for _ in unsealer.read():
                        go_on()
                finally:
                    unsealer.close()
            if digest.digest() != row.sealed_sha256:
                raise WrongContext
        except Damaged as error:
            return self._changed(row, error)
        except Unavailable:
            log.warning("scrub put off", extra={"attachment_id": row.id})
        return True

    def _changed(self, row: Attachment, cause: Damaged | None = None) -> bool:
        """False for a damaged one; True where it only was purged while it was looked at."""
        now = self._records.read(lambda unit: unit.attachments.get(row.id, EVERYTHING))
        if now is None or now.state not in SCRUBBED:
            return True
        try:
            self._sending.report_damage(row.id, cause or WrongContext(), SYSTEM)
        except AlreadyPurged:
            return True
        return False
