"""What stops a run before it purges anything: a clock that cannot be right, or more due than ever is (S-69)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from audit import Log
from domain.clock import Clock
from domain.errors import BrakeApplied
from storage.records import Unit

SHARE = 0.05
LEAST = 100
DRIFT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Brakes:
    """``share`` of the live attachments, but ``least`` at any rate, may be purged by one run without confirmation.

    ``machine``: this machine's own clock, where the purge's is the database's: one of the two is a second opinion.
    """

    share: float = SHARE
    least: int = LEAST
    drift: timedelta = DRIFT
    machine: Clock | None = None

    def check_clock(self, unit: Unit, journal: Log, now: datetime, database_now: datetime) -> None:
        """Raises BrakeApplied where the clock is far from the database's, or before what was written already."""
        machine_now = now if self.machine is None else self.machine()
        if max(abs(now - database_now), abs(machine_now - database_now)) > self.drift:
            raise BrakeApplied("The clock and the database's clock differ too much to purge by.", brake="clock")
        newest = journal.newest_at(unit)
        if newest is not None and newest - now > self.drift:
            raise BrakeApplied("The clock is before the newest entry of the audit log.", brake="clock")

    def check_count(self, unit: Unit, due_at: datetime, confirm: int | None) -> None:
        """Raises BrakeApplied where more is due than a run may purge, unless exactly that number was confirmed."""
        due, live = unit.disposals.due_count(due_at), unit.inventory.live_count()
        most = max(self.least, int(live * self.share))
        if due > most and confirm != due:
            detail = f"{due} attachments are due, more than {most} of {live}; confirm exactly {due} to purge them."
            raise BrakeApplied(detail, brake="count", due=due, most=most, live=live)
