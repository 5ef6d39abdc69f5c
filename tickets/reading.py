"""One round of reading a ticket system under its lease, whose number each effect's transaction asks first (S-71).

Hints, organisations, tickets that changed, tickets to ask about one by one, and what is to be written on them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from domain.actor import EVERYTHING, SYSTEM
from domain.clock import Clock
from domain.errors import BadInput, DeskRefused, DeskUnavailable, StateConflict
from domain.source import SourceFileState
from domain.ticket import Standing
from keys import Lease, LeaseLost
from storage.records import ConnectorRow, HintRow, Records, Unit
from tickets.connectors import Frame
from tickets.desk import Desk, OrganisationPage, Page, SourceTicket
from tickets.facts import Facts, Outcome
from tickets.notes import Notes
from tickets.round import Round

log = logging.getLogger(__name__)
HINTS = 100
DUE = 200
LONG_UNSEEN = 20
"""Tickets asked about one by one in a round because nothing was heard of them for ``HEARD_WITHIN``."""
HEARD_WITHIN = timedelta(days=7)
DUE_WITHIN = timedelta(hours=12)
"""How old what is known of a ticket that is due may be before it is asked about: half of what the purge takes."""
ORGANISATIONS_EVERY = timedelta(hours=1)
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=15)
REFUSED_PAUSE = timedelta(minutes=5)


class Enough(Exception):
    """Whoever runs it wants it to stop here."""


class Reading:
    """One round, used once, by one thread."""

    def __init__(
        self,
        records: Records,
        facts: Facts,
        clock: Clock,
        notes: Notes,
        frame: Frame,
        desk: Desk | None,
        lease: Lease,
        *,
        full: bool,
        enough: Callable[[], bool],
    ) -> None:
        self._records, self._facts, self._clock, self._notes = records, facts, clock, notes
        self._frame = frame
        self._name = frame.name
        self._desk = desk
        self._lease = lease
        self._enough = enough
        self._round = Round(frame.name, self._clock(), full=full)

    def all(self) -> Round:
        return self._reported(self._read_all)

    def due(self, most: int) -> Round:
        desk = self._desk
        return self._reported(lambda: None if desk is None else self._ask_about_due(desk, most), scheduled=False)

    def _read_all(self) -> None:
        begun = self._round.started_at
        if self._desk is not None:
            self._take_hints(self._desk)
            self._read_organisations(self._desk)
            self._read_changed(self._desk)
            self._ask_about_due(self._desk, DUE)
            if self._round.full:
                self._ask_about_unseen(self._desk, begun, most=None)
            else:
                self._ask_about_unseen(self._desk, begun - HEARD_WITHIN, most=LONG_UNSEEN)
        self._notes.look_for_files(self._frame, self._lease.guard)
        if self._desk is not None:
            self._round.notes_written = self._notes.write(self._frame, self._desk, self._lease.guard, self._alive)

    def _reported(self, work: Callable[[], None], *, scheduled: bool = True) -> Round:
        wait: timedelta | None = None
        report = self._round
        try:
            work()
        except Enough:
            report.detail, scheduled = "stopped", False
        except DeskUnavailable as error:
            report.trouble, report.detail = error.code, error.detail
            wait = timedelta(seconds=error.wait) if error.wait is not None else timedelta()
        except DeskRefused as error:
            report.trouble, report.detail = error.code, error.detail
            wait = REFUSED_PAUSE
        if report.trouble is not None:
            log.warning("ticket system not read", extra={"connector": self._name, "code": report.trouble})
        report.ended_at = self._clock()
        self._records.write(lambda unit: self._put_report(unit, wait, scheduled=scheduled))
        return report

    def _put_report(self, unit: Unit, wait: timedelta | None, *, scheduled: bool) -> None:
        self._lease.guard(unit)
        report, row = self._round, self._row(unit)
        report.hints_waiting = unit.hints.count(self._name)
        report.notes_waiting = unit.source_notes.count(self._name)
        done = {SourceFileState.DELETED, SourceFileState.LEFT}
        report.files_waiting = sum(n for state, n in unit.source_files.counts(self._name).items() if state not in done)
        if wait is None:
            row = replace(row, failures=0, trouble=None, next_at=None)
        else:
            pause = min(FIRST_PAUSE * 2 ** min(row.failures, 8), LONGEST_PAUSE)
            report.wait_until = self._clock() + max(wait, pause)
            row = replace(row, failures=row.failures + 1, trouble=report.trouble, next_at=report.wait_until)
        if scheduled:
            row = replace(row, report=report.written(), reported_at=report.ended_at)
        unit.connectors.put(row)

    def _alive(self) -> None:
        """Between two steps. Raises LeaseLost."""
        if self._enough():
            raise Enough
        self._lease.prolong()

    def _take_hints(self, desk: Desk) -> None:
        now = self._clock()
        for hint in self._records.read(lambda unit: unit.hints.waiting(self._name, now, limit=HINTS)):
            try:
                self._ask(desk, hint.source_id, hint)
            except DeskRefused as error:
                # One ticket we are not let see must not keep the others; where it is all of them, the next step tells.
                log.warning("hinted ticket refused", extra={"connector": self._name, "code": error.code})
                self._records.write(partial(self._put_hint_off, hint=hint))
            self._round.hints += 1

    def _put_hint_off(self, unit: Unit, hint: HintRow) -> None:
        self._lease.guard(unit)
        pause = min(FIRST_PAUSE * 2 ** min(hint.attempts, 20), timedelta(days=1))
        if hint.attempts >= 20:
            unit.hints.done(hint)
        else:
            unit.hints.put_off(hint, next_at=self._clock() + pause)

    def _read_organisations(self, desk: Desk) -> None:
        row, began = self._records.read(self._row), self._clock()
        at = row.organisations_at
        if not self._round.full and at is not None and at <= began < at + ORGANISATIONS_EVERY:
            return
        cursor, last = None if self._round.full else row.organisations_cursor, False
        while not last:
            self._alive()
            page = _from(desk.organisations, cursor)
            for field in self._records.write(partial(self._take_organisations, page=page, began=began)):
                self._round.refuse("", field)
            self._round.organisations += len(page.organisations)
            cursor, last = page.cursor, page.last

    def _take_organisations(self, unit: Unit, page: OrganisationPage, began: datetime) -> list[str]:
        self._lease.guard(unit)
        refused = []
        for fact in page.organisations:
            try:
                self._facts.take_organisation(unit, SYSTEM, fact, read_at=began)
            except BadInput as error:
                refused.append(error.field or error.code)
        row = replace(self._row(unit), organisations_cursor=page.cursor)
        unit.connectors.put(replace(row, organisations_at=began) if page.last else row)
        return refused

    def _read_changed(self, desk: Desk) -> None:
        began = self._clock()
        cursor, last = None if self._round.full else self._records.read(self._row).cursor, False
        while not last:
            self._alive()
            read_at = self._clock()
            page = _from(desk.changed, cursor)
            self._take_page(page.tickets, read_at)
            for source in page.tickets:
                if source.standing is Standing.MERGED and source.merged_into is not None:
                    self._find_whole(desk, source.merged_into)
            self._records.write(partial(self._put_cursor, page=page, began=began))
            cursor, last = page.cursor, page.last

    def _put_cursor(self, unit: Unit, page: Page, began: datetime) -> None:
        self._lease.guard(unit)
        row = replace(self._row(unit), cursor=page.cursor)
        unit.connectors.put(replace(row, polled_at=began) if page.last else row)

    def _take_page(self, tickets: Sequence[SourceTicket], read_at: datetime) -> None:
        """All of a page in one transaction; where one of them cannot be kept, each in its own."""
        if not tickets:
            return
        try:
            self._count(self._records.write(partial(self._apply, tickets=tickets, read_at=read_at)))
        except (BadInput, StateConflict):
            for source in tickets:
                self._take(source, read_at)

    def _take(self, source: SourceTicket, read_at: datetime) -> None:
        try:
            self._count(self._records.write(partial(self._apply, tickets=[source], read_at=read_at)))
        except (BadInput, StateConflict) as error:
            field = error.field or error.code
            log.warning("ticket refused", extra={"connector": self._name, "field": field})
            self._round.refuse(source.id, field)

    def _apply(self, unit: Unit, tickets: Sequence[SourceTicket], read_at: datetime) -> list[Outcome]:
        self._lease.guard(unit)
        row = self._row(unit)
        outcomes = []
        for source in tickets:
            applied = self._facts.apply(unit, SYSTEM, self._name, source, read_at=read_at)
            if applied.outcome is Outcome.NEW:
                self._notes.welcome(unit, self._frame, row, applied.ticket)
            outcomes.append(applied.outcome)
        return outcomes

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        self._round.seen += len(outcomes)
        self._round.new += outcomes.count(Outcome.NEW)
        self._round.changed += outcomes.count(Outcome.CHANGED)

    def _find_whole(self, desk: Desk, source_id: str) -> None:
        """Know the ticket that another one goes on as."""
        if self._records.read(lambda unit: unit.tickets.by_source(self._name, source_id)) is None:
            self._ask(desk, source_id)

    def _ask(self, desk: Desk, source_id: str, hint: HintRow | None = None) -> None:
        """What the API says of one ticket now."""
        self._alive()
        read_at = self._clock()
        source = desk.ticket(source_id)
        if source is None:
            gone = self._records.write(partial(self._gone, source_id=source_id, read_at=read_at))
            self._round.gone += gone
        else:
            self._take(source, read_at)
            if source.standing is Standing.MERGED and source.merged_into is not None:
                self._find_whole(desk, source.merged_into)
        if hint is not None:
            self._records.write(partial(self._hint_done, hint=hint))

    def _gone(self, unit: Unit, source_id: str, read_at: datetime) -> bool:
        self._lease.guard(unit)
        applied = self._facts.gone(unit, SYSTEM, self._name, source_id, read_at=read_at)
        return applied is not None and applied.outcome is Outcome.CHANGED

    def _hint_done(self, unit: Unit, hint: HintRow) -> None:
        self._lease.guard(unit)
        unit.hints.done(hint)

    def _ask_about_due(self, desk: Desk, most: int) -> None:
        """A ticket that is due, and of one that was merged also the one it went into, for that one's facts count."""
        now = self._clock()
        before = now - DUE_WITHIN
        found = self._records.read(lambda unit: unit.tickets.due_unseen(self._name, now, before, limit=most))
        asked: set[str] = set()
        for ticket in found:
            whole = ticket
            if ticket.merged_into is not None:
                merged_into = ticket.merged_into
                whole = self._records.read(lambda unit: unit.tickets.by_id(merged_into, EVERYTHING)) or ticket  # noqa: B023
            for source_id in (whole.source_id, ticket.source_id):
                if source_id is not None and source_id not in asked:
                    asked.add(source_id)
                    self._ask(desk, source_id)
                    self._round.asked_again += 1

    def _ask_about_unseen(self, desk: Desk, before: datetime, *, most: int | None) -> None:
        """Tickets of which nothing was heard since: a deletion that nobody announced is found here."""
        asked: set[str] = set()
        while most is None or len(asked) < most:
            found = self._records.read(lambda unit: unit.tickets.unseen(self._name, before, limit=LONG_UNSEEN))
            todo = [one.source_id for one in found if one.source_id is not None and one.source_id not in asked]
            if not todo:
                return
            for source_id in todo:
                asked.add(source_id)
                self._ask(desk, source_id)
                self._round.asked_again += 1

    def _row(self, unit: Unit) -> ConnectorRow:
        row = unit.connectors.get(self._name)
        if row is None:  # forgotten meanwhile
            raise LeaseLost
        return row


P = TypeVar("P", Page, OrganisationPage)


def _from(ask: Callable[[str | None], P], cursor: str | None) -> P:
    """A page from where the last one ended; from the beginning where that is no place any more."""
    try:
        return ask(cursor)
    except BadInput as error:
        if cursor is None:
            raise DeskRefused("The ticket system's list cannot be read.") from error
        log.warning("list of a ticket system begun anew")
        return ask(None)
