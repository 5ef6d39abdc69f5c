"""One run of the purge under its lease: what an earlier one left, then what is due, then tickets with nothing left."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from domain.actor import EVERYTHING, Actor
from domain.attachment import LIVE, AttachmentState
from domain.disposal import DueItem
from domain.errors import BilagaError
from domain.ids import AttachmentId
from keys import Lease
from retention.claim import Claim, Reason, recall
from retention.due import Outlook
from retention.erasure import Done, Erasure, each
from retention.expired import redated
from retention.report import LISTED, Failed, Purged, PurgeReport
from storage.records import Records, Unit

log = logging.getLogger(__name__)
PAGE = 10
"""Batches looked up at once."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast: items in a transaction, threads that remove blobs, and blobs removed in a second at the most.

    After a mass unlink new files cost the file system 7–16 times as much, for some 5 s (measured on ext4): a purge
    without a limit would slow every upload down. ``blobs_a_second`` None: no limit.
    """

    batch: int = 100
    threads: int = 2
    blobs_a_second: float | None = 1000.0
    sleep: Callable[[float], None] = time.sleep


PACE = Pace()
FAR_PACE = Pace(batch=200, threads=4, blobs_a_second=None)
"""For a store behind a network that removes many at once: it feels nothing, and what it takes is mostly waiting."""


class Run:
    """A run by one actor, written into one report. Used once, by one thread. Without a lease it claims nothing new."""

    def __init__(
        self,
        records: Records,
        erasure: Erasure,
        outlook: Outlook,
        pace: Pace,
        *,
        actor: Actor,
        report: PurgeReport,
        lease: Lease | None,
        helps: bool = False,
    ) -> None:
        self._helps = helps
        self._records = records
        self._erasure = erasure
        self._outlook = outlook
        self._pace = pace
        self.actor = actor
        self.report = report
        self._lease = lease

    def guard(self, unit: Unit) -> None:
        """What each effect's transaction asks first. Raises LeaseLost."""
        if self._lease is not None:
            self._lease.guard(unit)

    def finish_begun(self) -> None:
        """Carry through what a crash, or a store that did not answer, left in ``purging``."""
        after: AttachmentId | None = None
        while claims := self._begun(after):
            after = claims[-1].attachment.id
            before = self.report.purged
            self._carry_through(claims)
            self.report.resumed += self.report.purged - before

    def purge_due(self) -> None:
        """Claim what is due, batch by batch along the index, and carry each batch through."""
        for ids in self._batches():
            done = each(self._records, ids, self._claim, self.guard)
            self._fail(done.failed)
            self._erasure.stepped("claimed")
            self._carry_through([claim for claim in done.results if claim is not None])

    def _batches(self) -> Iterator[list[AttachmentId]]:
        """What is due, in batches: the oldest first where this run leads. Who helps takes those of a page in any order,
        so that runs seldom meet at one."""
        size = self._pace.batch
        for page in due_pages(self._records, self.report.now, size * PAGE, held=False):
            ids = [item.attachment_id for item in page]
            batches = [ids[start : start + size] for start in range(0, len(ids), size)]
            if self._helps:
                random.shuffle(batches)
            yield from batches

    def count_held(self) -> None:
        """Name what is due but held."""
        for page in due_pages(self._records, self.report.now, 1000, held=True):
            self.report.held += len(page)
            self.report.kept_by_hold.extend(page[: max(0, LISTED - len(self.report.kept_by_hold))])

    def _begun(self, after: AttachmentId | None) -> list[Claim]:
        def work(unit: Unit) -> list[Claim]:
            found = unit.inventory.in_states({AttachmentState.PURGING}, after=after, limit=self._pace.batch)
            return [recall(unit, attachment) for attachment in found]

        return self._records.read(work)

    def _prolong(self) -> None:
        if self._lease is not None:
            self._lease.prolong()

    def _claim(self, unit: Unit, attachment_id: AttachmentId) -> Claim | None:
        """Holds and facts are looked at again, inside the transaction: a stored date alone erases nothing."""
        attachment = unit.attachments.get(attachment_id, EVERYTHING)
        if attachment is None or attachment.state not in LIVE:
            return None
        ticket = unit.tickets.by_id(attachment.ticket_id, EVERYTHING)
        if ticket is None or unit.holds.held(ticket.id):
            return None
        destiny = self._outlook.destiny(unit, ticket)
        if destiny.due_at is None or destiny.due_at > self.report.now:
            if ticket.purge_due_at != destiny.due_at:
                unit.tickets.put(redated(ticket, destiny))
            return None
        self._outlook.check_fresh(unit, ticket)
        return self._erasure.begin(unit, self.actor, attachment, Reason.RETENTION, destiny)

    def _carry_through(self, claims: Sequence[Claim]) -> None:
        self._prolong()
        keyless = self._erasure.destroy_keys(claims, self.guard)
        removed, stuck = self._remove(keyless.results)
        finished = self._erasure.finish(self.actor, removed, self.guard)
        self.report.purged += len(finished.results)
        for certificate in finished.results[: max(0, LISTED - len(self.report.items))]:
            self.report.items.append(Purged(certificate.attachment_id, certificate.id))
        failed = [*keyless.failed, *stuck, *finished.failed]
        self._fail([(claim.attachment.id, error) for claim, error in failed])

    def _remove(self, claims: Sequence[Claim]) -> tuple[list[Claim], list[tuple[Claim, Exception]]]:
        """Remove the blobs on a few threads, at the pace; which are gone, and which are not."""
        removed: list[Claim] = []
        failed: list[tuple[Claim, Exception]] = []
        began = time.monotonic()
        with ThreadPoolExecutor(self._pace.threads, thread_name_prefix="purge") as pool:
            waiting = [(some, pool.submit(self._remove_some, some)) for some in self._shares(claims)]
            for some, future in waiting:
                try:
                    done = future.result()
                except Exception as error:  # noqa: BLE001  # one bad item never stops the run
                    failed += [(claim, error) for claim in some]
                else:
                    removed += done.results
                    failed += done.failed
                self._prolong()
        if self._pace.blobs_a_second is not None:
            left = len(claims) / self._pace.blobs_a_second - (time.monotonic() - began)
            if left > 0:
                self._pace.sleep(left)
        return removed, failed

    def _shares(self, claims: Sequence[Claim]) -> list[Sequence[Claim]]:
        """What a thread removes in one go: a few at once where the store can do that, for the lease must go on too."""
        size = math.ceil(self._pace.batch / self._pace.threads) if self._erasure.clears else 1
        return [claims[start : start + size] for start in range(0, len(claims), size)]

    def _remove_some(self, claims: Sequence[Claim]) -> Done[Claim, Claim]:
        if self._erasure.clears:
            return self._erasure.remove_all(claims)
        self._erasure.remove(claims[0])
        return Done(list(claims), [])

    def _fail(self, failed: Sequence[tuple[AttachmentId, Exception]]) -> None:
        if not failed:
            return
        named = [Failed(attachment_id, error_code(error)) for attachment_id, error in failed]
        for attachment_id, error in failed:
            log.error("not purged", extra={"attachment_id": attachment_id, "error": type(error).__name__})
        self.report.failed.extend(named)
        self._erasure.fail(self.actor, [(one.attachment_id, one.reason) for one in named], self.guard)


def due_pages(records: Records, now: datetime, limit: int, *, held: bool) -> Iterator[Sequence[DueItem]]:
    """Pages of what is due at an instant, each begun behind the last item of the one before."""
    after: tuple[datetime, AttachmentId] | None = None
    while True:
        page = _page(records, now, after, limit, held=held)
        if not page:
            return
        yield page
        after = (page[-1].due_at, page[-1].attachment_id)


def _page(
    records: Records, now: datetime, after: tuple[datetime, AttachmentId] | None, limit: int, *, held: bool
) -> Sequence[DueItem]:
    return records.read(lambda unit: unit.disposals.due(now, EVERYTHING, after=after, limit=limit, held=held))


def error_code(error: Exception) -> str:
    """The word for an error in reports and in the log; a bug's own text may say too much."""
    return error.code if isinstance(error, BilagaError) else "internal"
