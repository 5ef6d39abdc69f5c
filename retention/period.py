"""A stretch of the calendar (ISO 8601), added as people count: a month from 31 January ends on the last of February."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

import isodate

LONGEST_YEARS = 1000


@dataclass(frozen=True, slots=True)
class Period:
    """Years and months, clamped to the month's end, then days. ``text`` is how it was written: ``P18M``."""

    text: str
    years: int
    months: int
    days: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``P[n]Y[n]M[n]W[n]D``. Raises ValueError for anything else: hours and fractions are no calendar's."""
        if not text.startswith("P") or "T" in text or "." in text or "," in text:
            raise ValueError("write whole years, months, weeks or days, as in P1Y6M")
        try:
            read = isodate.parse_duration(text)
        except (isodate.ISO8601Error, ValueError, OverflowError) as error:
            raise ValueError("not an ISO 8601 period such as P1Y") from error
        if isinstance(read, timedelta):
            years, months, days = 0, 0, read.days
        else:
            years, months, days = int(read.years), int(read.months), read.tdelta.days
        if years + months + days == 0:
            raise ValueError("a period of nothing keeps nothing")
        if years + months // 12 + days // 366 > LONGEST_YEARS:
            raise ValueError(f"longer than {LONGEST_YEARS} years")
        return cls(text, years, months, days)

    def after(self, day: date) -> date:
        """The day this long after another. Raises OverflowError past the calendar's last year."""
        try:
            moved: date = day + isodate.Duration(years=self.years, months=self.months, days=self.days)
        except ValueError as error:  # isodate names a year of five digits so
            raise OverflowError("past the last year") from error
        return moved

    def __str__(self) -> str:
        return self.text


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins in a zone, in UTC: where the clocks leave midnight out, at the first moment there is."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def same_time_on(at: datetime, zone: ZoneInfo, period: Period) -> datetime:
    """The instant ``period`` after another, at the same time of day in the zone, in UTC.

    A time of day the clocks leave out on that day comes as much later; of a time that comes twice, the one it was.
    """
    local = at.astimezone(zone)
    moved = datetime.combine(period.after(local.date()), local.timetz())
    due = moved.astimezone(UTC)
    if moved.fold and due.astimezone(zone).time() != moved.time():
        # The second of two such times, moved to a day on which the clocks leave it out: it must not come earlier.
        due = moved.replace(fold=0).astimezone(UTC)
    return due
