"""Reading a ticket system: hints, organisations, tickets that changed, and those somebody should look at again.

A webhook is a hint, the API is the truth (S-67): whatever was missed, deleted, merged, marked or brought back arrives
with the next round. A round is one run at a time, under a lease whose number every effect's transaction asks (S-71).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from domain.clock import Clock
from domain.errors import StateConflict
from keys import Lease, LeaseLost, LeaseTaken
from storage.records import ConnectorRow, Records, Unit
from tickets.connectors import Connectors
from tickets.evacuate import CURSOR
from tickets.facts import Facts
from tickets.notes import Notes
from tickets.reading import DUE, Reading
from tickets.round import Round

LEASE = "connector:"
LEASE_FOR = timedelta(minutes=2)


class Reconcile:
    """Reads all of a site's ticket systems. Safe from any thread and on any number of nodes."""

    def __init__(self, records: Records, facts: Facts, clock: Clock, connectors: Connectors, notes: Notes) -> None:
        self._records = records
        self._facts = facts
        self._clock = clock
        self._notes = notes
        self._connectors = connectors

    def add(self, name: str, *, new_secret: bool = False) -> ConnectorRow:
        """Know a connector from now on; its row. ``new_secret``: its webhooks get another secret of our making."""
        frame, now = self._connectors.frames[name], self._clock()

        def work(unit: Unit) -> ConnectorRow:
            known = unit.connectors.get(name)
            row = known or ConnectorRow(name, frame.kind, created_at=now, journal_index=unit.journal.size())
            row = replace(row, kind=frame.kind)
            if new_secret or row.secret_number == 0:
                row = replace(row, secret_number=row.secret_number + 1)
            if row != known:
                unit.connectors.put(row)
            return row

        return self._records.write(work)

    def is_due(self, name: str) -> bool:
        """Whether it is time for a round: hints wait, or the last one is long enough ago."""
        frame, now = self._connectors.frames[name], self._clock()

        def work(unit: Unit) -> bool:
            row = unit.connectors.get(name)
            if row is None or row.reported_at is None:
                return True
            if row.next_at is not None and now < row.next_at:
                return False
            hinted = bool(unit.hints.waiting(name, now, limit=1))
            return hinted or not row.reported_at <= now < row.reported_at + frame.every

        return self._records.read(work)

    def run(
        self,
        name: str,
        *,
        full: bool = False,
        patience: timedelta = timedelta(),
        enough: Callable[[], bool] = lambda: False,
    ) -> Round:
        """One round. ``full``: from the beginning, and then each ticket that was not among those listed. ``enough``
        says when to stop, between two steps; the next round goes on there.

        Raises StateConflict where another one is at work, RecordsUnavailable. What stopped it otherwise stands in what
        it came to.
        """
        self.add(name)
        try:
            with Lease(self._records, LEASE + name, length=LEASE_FOR, patience=patience) as lease:
                return self._reading(name, lease, full=full, enough=enough).all()
        except LeaseTaken as error:
            raise StateConflict("Another run is reading this ticket system.") from error
        except LeaseLost as error:
            raise StateConflict("Another run has taken over reading this ticket system.") from error

    def ask_about_due(self, name: str, *, most: int = DUE, enough: Callable[[], bool] = lambda: False) -> Round | None:
        """Ask about tickets that are due, so that the purge that comes next may erase them; None: another run does."""
        try:
            with Lease(self._records, LEASE + name, length=LEASE_FOR) as lease:
                return self._reading(name, lease, full=False, enough=enough).due(most)
        except (LeaseTaken, LeaseLost):
            return None

    def forget(self, name: str) -> int:
        """Let go of a connector: its tickets are nobody's then but those who put them; how many. What its system said
        of them stays, and counts."""

        def work(unit: Unit) -> int:
            count = 0
            for ticket in unit.tickets.of_connector(name, limit=500):
                free = replace(ticket, source_id=None, source_version=None, version=ticket.version + 1)
                unit.tickets.put(replace(free, merged_source_id=None))
                count += 1
            if not count:
                unit.connectors.remove(name)
                unit.site.put(CURSOR + name, "")  # under this name another system may come
            return count

        total = 0
        while done := self._records.write(work):
            total += done
        return total

    def _reading(self, name: str, lease: Lease, *, full: bool, enough: Callable[[], bool]) -> Reading:
        return Reading(
            self._records,
            self._facts,
            self._clock,
            self._notes,
            self._connectors.frames[name],
            self._connectors.open(name).desk,
            lease,
            full=full,
            enough=enough,
        )
