"""The purge: one run over all that is due, and the erasure of a single attachment. Never "close the row, then try"."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from audit import Log
from domain.actor import EVERYTHING, SYSTEM, Action, Actor, Role, Scope
from domain.attachment import Attachment, AttachmentState
from domain.clock import Clock
from domain.disposal import Certificate, DueItem
from domain.errors import AlreadyPurged, BrakeApplied, NotFound, StateConflict, Unavailable, UnderHold
from domain.event import Event, EventKind
from domain.ids import AttachmentId
from domain.ticket import Ticket
from keys import Keys, Lease, LeaseLost, LeaseTaken
from retention.brakes import Brakes
from retention.certificates import CertificateDesk
from retention.claim import Claim, Reason, recall
from retention.due import DecideIn, Fresh, Outlook
from retention.erasure import Erasure, Steps, only
from retention.expired import Expired
from retention.joining import JOINERS, led, say_led
from retention.report import LISTED, PurgeReport
from retention.run import PACE, Pace, Run, due_pages, error_code
from storage import BlobStore, Clearing
from storage.records import Records, Unit

log = logging.getLogger(__name__)
LEASE = "purge"
LEASE_FOR = timedelta(seconds=20)
JOIN_WITHIN = timedelta(seconds=60)


def _no_steps(name: str) -> None:
    """Nobody watches the steps."""


class Purge:
    """Erases what is due. Safe from any thread and on any number of nodes: a run holds a lease with a fencing number,
    and every effect is a compare-and-set of its own (S-71, S-72).

    ``steps`` is called after each step with its name (``claimed``, ``key-destroyed``, ``blob-removed``, ``read-back``,
    ``finished``): a seam at which tests stop the process.
    """

    def __init__(
        self,
        records: Records,
        blobs: BlobStore,
        keys: Keys,
        journal: Log,
        decide: DecideIn,
        *,
        clock: Clock,
        brakes: Brakes,
        certificates: CertificateDesk,
        steps: Steps = _no_steps,
        pace: Pace = PACE,
        together: bool = False,
        clearing: Clearing | None = None,
        fresh: Fresh | None = None,
    ) -> None:
        """``together``: whether a run that finds another node's at work helps it, instead of being refused.
        ``clearing``: the store of blobs, where it removes many at once. ``fresh`` is asked in each claim's transaction.
        """
        self._records = records
        self._together = together
        self._log = journal
        self._clock = clock
        self._brakes = brakes
        self._pace = pace
        self._outlook = Outlook(decide) if fresh is None else Outlook(decide, fresh)
        self._erasure = Erasure(
            records, blobs, keys, journal, certificates=certificates, clock=clock, steps=steps, clearing=clearing
        )
        self._expired = Expired(records, keys, journal, self._outlook, clock)

    def run(
        self,
        actor: Actor,
        *,
        now: datetime | None = None,
        dry_run: bool = False,
        confirm: int | None = None,
        patience: timedelta = timedelta(),
    ) -> PurgeReport:
        """Erase all that is due, then the personal data of tickets with nothing left.

        ``now`` narrows what is due to an earlier instant; only a dry run looks past the clock. ``confirm`` releases the
        brake for exactly so many. ``patience``: how long to wait for another run to end, or for the lease of one that
        died (20 s). Raises NotAllowed; BrakeApplied, before anything new is claimed; StateConflict where another run is
        at work; RecordsUnavailable. What could not be erased is named in the report.
        """
        actor.scope(Action.PURGE)
        clock = self._clock()
        if dry_run:
            return self._look(now or clock)
        report = PurgeReport(now=clock if now is None else min(now, clock), dry_run=False)
        try:
            self._lead_or_join(actor, report, confirm, patience)
        except LeaseTaken as error:
            raise StateConflict("Another run of the purge is at work.") from error
        except LeaseLost as error:
            raise StateConflict("Another run of the purge has taken over.") from error
        self._tidy()
        return report

    def recover(self) -> PurgeReport:
        """Carry through what a crash left in ``purging``, and nothing else: at start, before anything is served.

        Needs no lease: every step may be done twice, and by two at once.
        """
        report = PurgeReport(now=self._clock(), dry_run=False)
        self._of(SYSTEM, report, None).finish_begun()
        return report

    def erase(self, actor: Actor, attachment_id: AttachmentId, reason: Reason) -> Certificate:
        """Erase one attachment now, as by a purge: by right (``ERASE_FILE``), or a requester's own who takes it back.

        Raises NotAllowed, NotFound, UnderHold, AlreadyPurged; BlobsUnavailable, and then it is unreadable already and
        the next run, or the same call again, removes its bytes.
        """
        scope = _scope(actor, reason)
        try:
            claim = self._records.write(lambda unit: self._claim(unit, actor, scope, attachment_id, reason))
        except UnderHold:
            self._erasure.fail(actor, [(attachment_id, "under-hold")])
            raise
        self._erasure.stepped("claimed")
        try:
            return self._carry_through(actor, claim)
        except Exception as error:
            self._erasure.fail(actor, [(attachment_id, error_code(error))])
            raise

    def claim_again(self, unit: Unit, attachment: Attachment, certificate_id: str | None) -> None:
        """Claim what had been erased before a backup brought it back; ``recover`` carries it through.

        No hold stops it: when it was erased there was none. ``certificate_id`` is of the certificate it had then.
        """
        ticket = unit.tickets.by_id(attachment.ticket_id, EVERYTHING)
        if ticket is None:
            raise NotFound
        destiny = self._outlook.destiny(unit, ticket)
        facts = {**destiny.facts, "erased_before_by": certificate_id}
        self._erasure.begin(unit, SYSTEM, attachment, Reason.RESTORED, replace(destiny, facts=facts))

    def erase_ticket_again(self, unit: Unit, ticket: Ticket) -> None:
        """Erase the personal data of a ticket that had been erased before a backup brought it, and files, back."""
        self._expired.erase(unit, SYSTEM, ticket, self._outlook.destiny(unit, ticket), mark=False)

    def erase_ticket(self, unit: Unit, actor: Actor, ticket: Ticket) -> None:
        """Erase the personal data of a ticket with nothing left but tombstones, whatever its date says: somebody has
        the right to it. Raises UnderHold; StateConflict where it still has files."""
        if unit.holds.held(ticket.id):
            raise UnderHold
        self._expired.erase(unit, actor, ticket, self._outlook.destiny(unit, ticket))

    def _lead_or_join(self, actor: Actor, report: PurgeReport, confirm: int | None, patience: timedelta) -> None:
        """One run leads: it asks the brakes, and says so when none holds. Others then help with what it may purge."""
        give_up_at = self._records.now() + JOIN_WITHIN
        while True:
            try:
                wait = timedelta() if self._together else patience
                with self._lease(LEASE, wait) as lease:
                    self._run(self._of(actor, report, lease), lease, confirm)
            except LeaseTaken:
                if not self._together or self._records.now() >= give_up_at:
                    raise
            else:
                return
            leading = self._records.write(lambda unit: led(unit, LEASE, self._records.now()))
            if leading is not None:
                report.now = min(report.now, leading)
                self._join(actor, report)
                return
            self._pace.sleep(0.25)

    def _join(self, actor: Actor, report: PurgeReport) -> None:
        for name in JOINERS:
            try:
                with self._lease(name, timedelta()) as lease:
                    report.due = self._records.read(lambda unit: unit.disposals.due_count(report.now))
                    self._of(actor, report, lease, helps=True).purge_due()
            except LeaseTaken:
                continue
            return
        raise LeaseTaken

    def _lease(self, name: str, patience: timedelta) -> Lease:
        return Lease(self._records, name, length=LEASE_FOR, patience=patience, sleep=self._pace.sleep)

    def _of(self, actor: Actor, report: PurgeReport, lease: Lease | None, *, helps: bool = False) -> Run:
        return Run(
            self._records,
            self._erasure,
            self._outlook,
            self._pace,
            actor=actor,
            report=report,
            lease=lease,
            helps=helps,
        )

    def _run(self, run: Run, lease: Lease, confirm: int | None) -> None:
        report = run.report
        database_now = self._records.now()
        self._braked(run.actor, lambda unit: self._brakes.check_clock(unit, self._log, self._clock(), database_now))
        run.finish_begun()
        report.due = self._records.read(lambda unit: unit.disposals.due_count(report.now))
        self._braked(run.actor, lambda unit: self._brakes.check_count(unit, report.now, confirm))
        if self._together:
            self._records.write(lambda unit: say_led(unit, lease, report.now))
        run.purge_due()
        run.count_held()
        self._expired.run(run.actor, report, run.guard)

    def _braked(self, actor: Actor, check: Callable[[Unit], None]) -> None:
        """Ask a brake; where it holds, write that down before it is raised."""
        try:
            self._records.read(check)
        except BrakeApplied as brake:
            event = Event(EventKind.PURGE_BRAKED, actor, None, brake.facts)
            self._records.write(lambda unit: self._log.append(unit, event))
            log.error("purge braked", extra=brake.facts)
            raise

    def _look(self, now: datetime) -> PurgeReport:
        """What a run at that instant would do."""
        report = PurgeReport(now=now, dry_run=True)
        for page in due_pages(self._records, now, 1000, held=False):
            due = self._truly_due(page, now)
            report.due += len(due)
            report.would_purge.extend(due[: max(0, LISTED - len(report.would_purge))])
        for page in due_pages(self._records, now, 1000, held=True):
            report.held += len(page)
            report.kept_by_hold.extend(page[: max(0, LISTED - len(report.kept_by_hold))])
        return report

    def _truly_due(self, page: Sequence[DueItem], now: datetime) -> list[DueItem]:
        return self._records.read(lambda unit: [one for one in page if self._is_due(unit, one, now)])

    def _is_due(self, unit: Unit, item: DueItem, now: datetime) -> bool:
        ticket = unit.tickets.by_id(item.ticket_id, EVERYTHING)
        due_at = self._outlook.destiny(unit, ticket).due_at if ticket is not None else None
        return due_at is not None and due_at <= now

    def _claim(self, unit: Unit, actor: Actor, scope: Scope, attachment_id: AttachmentId, reason: Reason) -> Claim:
        attachment = unit.attachments.get(attachment_id, scope)
        if attachment is None or attachment.state is AttachmentState.RECEIVING:
            raise NotFound
        if attachment.state is AttachmentState.PURGED:
            raise AlreadyPurged(certificate_id=attachment.certificate_id)
        if attachment.state is AttachmentState.PURGING:
            return recall(unit, attachment)
        if unit.holds.held(attachment.ticket_id):
            raise UnderHold
        ticket = unit.tickets.by_id(attachment.ticket_id, EVERYTHING)
        if ticket is None:
            raise NotFound
        return self._erasure.begin(unit, actor, attachment, reason, self._outlook.destiny(unit, ticket))

    def _carry_through(self, actor: Actor, claim: Claim) -> Certificate:
        keyless = only(self._erasure.destroy_keys([claim]))
        self._erasure.remove(keyless)
        return only(self._erasure.finish(actor, [keyless]))

    def _tidy(self) -> None:
        try:
            self._records.tidy()
        except Unavailable:  # readers keep the WAL in use; the next run comes soon enough (S-39: 24 h)
            log.warning("records not tidied")


def _scope(actor: Actor, reason: Reason) -> Scope:
    if reason is Reason.WITHDRAWN and actor.role is Role.REQUESTER and actor.ticket_id is not None:
        return Scope(ticket_id=actor.ticket_id)
    return actor.scope(Action.ERASE_FILE)
