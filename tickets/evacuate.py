"""Evacuation: the ticket may live anywhere, the file lives here (build point 3 of connectors).

A run walks through the tickets that changed, from where the last one ended, and brings each file home: seen, kept (our
receipt exists), noted (a link stands on its ticket), deleted at its source and looked for there; or left, with the
reason. Every step is written down after it was done, and may be done again: a killed run is taken up by the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar

from domain.errors import BilagaError, DeskRefused, DeskUnavailable, StateConflict, Unavailable
from domain.source import SourceFileRow, SourceFileState
from keys import Lease, LeaseLost, LeaseTaken
from storage.records import Unit
from tickets.desk import SourceTicket, Standing
from tickets.evacuate_ticket import OPEN, Enough, TicketEvacuation
from tickets.evacuated import Errand, EvacuationReport, Left, LeftFile

log = logging.getLogger(__name__)
T = TypeVar("T")
LEASE = "evacuation:"
LEASE_FOR = timedelta(seconds=60)
"""How long a run that died keeps the next one out."""
CURSOR = "evacuation:"
"""The mark of how far a connector's tickets were walked through, before its name."""
PAGE = 500
REFUSALS = 3
"""So many tickets in a row that the system does not let us look at are no accident of theirs."""
LONGEST_WAIT = 120.0
SERVER_ERROR = 500


class Evacuation:
    """Brings one connector's files home. Safe to run on many nodes: one is at work at a time, under a lease whose
    number is asked in the transaction of every effect (S-71)."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand

    def run(
        self,
        *,
        again: bool = False,
        patience: timedelta = timedelta(),
        wait: timedelta = timedelta(),
        enough: Callable[[], bool] = lambda: False,
    ) -> EvacuationReport:
        """Bring home what there is. ``again``: also what was left for good before, from the beginning.

        ``patience``: how long to wait for another run to end; ``wait``: how long, altogether, to wait for a system that
        asks to be left alone for a while. ``enough`` says when to stop, between two steps. Raises StateConflict where
        another run is at work, RecordsUnavailable. What stopped it early otherwise stands in the report.
        """
        errand = self._errand
        try:
            with Lease(errand.records, LEASE + errand.connector, length=LEASE_FOR, patience=patience) as lease:
                return _Run(errand, lease, again=again, wait=wait.total_seconds(), enough=enough).all()
        except LeaseTaken as error:
            raise StateConflict("Another evacuation of this connector is at work.") from error
        except LeaseLost as error:
            raise StateConflict("Another evacuation of this connector has taken over.") from error

    def look(self, *, again: bool = False) -> EvacuationReport:
        """What a run would bring home, changing nothing anywhere. Raises DeskUnavailable, DeskRefused."""
        report = EvacuationReport(self._errand.connector, dry_run=True)
        cursor = None if again else _cursor(self._errand)
        counted: set[str] = set()
        while True:
            page = self._errand.desk.changed(cursor)
            for source in page.tickets:
                if source.standing is Standing.PRESENT and source.id not in counted:
                    counted.add(source.id)
                    self._look_at(source, report, again=again)
            cursor = page.cursor
            if page.last:
                break
        _count_left(self._errand, report)
        return report

    def _look_at(self, source: SourceTicket, report: EvacuationReport, *, again: bool) -> None:
        report.tickets += 1
        errand = self._errand
        files = errand.desk.files(source.id)
        known = errand.records.read(lambda unit: [unit.source_files.get(errand.connector, one.id) for one in files])
        done = {SourceFileState.DELETED, *(() if again else (SourceFileState.LEFT,))}
        for file, row in zip(files, known, strict=True):
            if row is None or row.state not in done:
                report.seen += 1
                report.kept_bytes += file.size or 0


class _Run:
    """One run, under its lease."""

    def __init__(self, errand: Errand, lease: Lease, *, again: bool, wait: float, enough: Callable[[], bool]) -> None:
        self._errand = errand
        self._lease = lease
        self._again = again
        self._wait = wait
        self._enough = enough
        self._done: set[str] = set()
        self._refused = 0
        self._report = EvacuationReport(errand.connector)
        self._one = TicketEvacuation(errand, self._report, guard=lease.guard, alive=self._alive, again=again)

    def all(self) -> EvacuationReport:
        report = self._report
        try:
            self._begun()
            self._changed()
        except Enough:
            report.more = True
        except Unavailable as error:
            log.warning("evacuation stopped", extra={"connector": report.connector, "code": error.code})
            report.stopped = error.code
            report.more = True
        _count_left(self._errand, report)
        return report

    def _alive(self) -> None:
        """Between two steps. Raises LeaseLost, Enough."""
        self._lease.prolong()
        self._errand.beat()
        if self._enough():
            raise Enough

    def _begun(self) -> None:
        """What an earlier run had begun, the longest waiting first."""
        errand = self._errand
        states = OPEN if errand.delete else OPEN[:2]
        while True:
            rows = errand.records.read(partial(self._waiting, states))
            begun = [row for row in rows if row.source_ticket_id not in self._done]
            if not begun:
                return
            for row in {row.source_ticket_id: row for row in begun}.values():
                self._patiently(partial(self._begun_ticket, row))

    def _waiting(self, states: Collection[SourceFileState], unit: Unit) -> Sequence[SourceFileRow]:
        return unit.source_files.waiting(self._errand.connector, states, self._errand.clock(), limit=PAGE)

    def _begun_ticket(self, row: SourceFileRow) -> None:
        source = self._errand.desk.ticket(row.source_ticket_id)
        if source is None:
            self._one.leave_open(row.ticket_id, row.source_ticket_id, Left.TICKET_GONE)
            self._done.add(row.source_ticket_id)
        else:
            self._ticket(source)

    def _changed(self) -> None:
        errand = self._errand
        cursor = None if self._again else _cursor(errand)
        keeps = True
        while True:
            self._alive()
            page = self._patiently(partial(errand.desk.changed, cursor))
            for source in page.tickets:
                self._patiently(partial(self._ticket, source))
            cursor = page.cursor
            # What could not be looked at is walked through again by the next run.
            keeps = keeps and not self._report.trouble
            if keeps:
                errand.records.write(partial(self._keep_mark, cursor))
            if page.last:
                return

    def _keep_mark(self, cursor: str, unit: Unit) -> None:
        self._lease.guard(unit)
        unit.site.put(CURSOR + self._errand.connector, cursor)

    def _ticket(self, source: SourceTicket) -> None:
        """One ticket; trouble of its own is named and stops nothing."""
        self._alive()
        if source.id in self._done and source.standing is Standing.PRESENT:
            return
        try:
            self._one.ticket(source)
        except (DeskRefused, DeskUnavailable) as error:
            # An answer, and about this ticket: but one after the other, they are about us.
            if isinstance(error, DeskUnavailable) and int(error.facts.get("status", 0)) < SERVER_ERROR:
                raise
            self._refused += 1
            self._trouble(source.id, error)
            if self._refused >= REFUSALS:
                raise
        except Unavailable:
            raise
        except BilagaError as error:
            self._trouble(source.id, error)
        else:
            self._refused = 0
        self._done.add(source.id)

    def _trouble(self, ticket_id: str, error: BilagaError) -> None:
        log.warning(
            "ticket not evacuated",
            extra={"connector": self._report.connector, "source_ticket": ticket_id, "code": error.code},
        )
        self._report.trouble.append(LeftFile(ticket_id, "", error.code))

    def _patiently(self, work: Callable[[], T]) -> T:
        """Work, and again after the time the system asked for, while there is patience for it."""
        while True:
            try:
                return work()
            except DeskUnavailable as error:
                wait = error.wait
                if wait is None or wait > min(self._wait, LONGEST_WAIT):
                    raise
                self._wait -= max(wait, 1.0)
                self._rest(wait)

    def _rest(self, seconds: float) -> None:
        step = LEASE_FOR.total_seconds() / 6
        while seconds > 0:
            self._errand.sleep(min(seconds, step))
            seconds -= step
            self._alive()


def _cursor(errand: Errand) -> str | None:
    return errand.records.read(lambda unit: unit.site.get(CURSOR + errand.connector)) or None


def _count_left(errand: Errand, report: EvacuationReport) -> None:
    """What there is by now, of all runs."""

    def work(unit: Unit) -> None:
        report.left.clear()
        after: str | None = None
        while rows := unit.source_files.page(errand.connector, SourceFileState.LEFT, after=after, limit=PAGE):
            for row in rows:
                report.left.append(LeftFile(row.source_ticket_id, row.source_id, row.reason or ""))
            after = rows[-1].source_id
        counts = unit.source_files.counts(errand.connector)
        states = OPEN if errand.delete else OPEN[:2]
        report.waiting = sum(counts.get(state, 0) for state in states)

    errand.records.read(work)
