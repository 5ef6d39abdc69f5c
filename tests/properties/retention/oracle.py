"""When a ticket's files go, once more and otherwise: from the words of the configuration, by plain arithmetic.

Shares nothing with the rules: no import of ours, no period library, and no local time turned into an instant but by
trying which instant shows it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

NEVER = datetime.max.replace(tzinfo=UTC)
Facts = dict[str, Any]


def later(day: date, period: str) -> date:
    """Months as one number, clamped by the month's own length, then days."""
    years, months, weeks, days = (int(n or 0) for n in re.fullmatch(
        r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?", period).groups())  # type: ignore[union-attr]  # fmt: skip
    year, month = divmod(day.year * 12 + day.month - 1 + years * 12 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1])) + timedelta(days=weeks * 7 + days)


def shown_at(wall: datetime, zone: ZoneInfo, *, second: bool = False) -> datetime:
    """The instant at which the zone's clocks show that time; one that they leave out comes as much later."""
    naive = wall.replace(tzinfo=UTC)
    before, after = ((naive + way).astimezone(zone).utcoffset() for way in (timedelta(days=-1), timedelta(days=1)))
    tries = sorted({naive - offset for offset in (before, after) if offset is not None})
    right = [at for at in tries if at.astimezone(zone).replace(tzinfo=None) == wall]
    return right[-1 if second else 0] if right else naive - (before or timedelta())


def same_time(at: datetime, period: str, zone: ZoneInfo) -> datetime:
    """The same time of day, a period later; of a time that comes twice, the one it was."""
    local = at.astimezone(zone).replace(tzinfo=None)
    return shown_at(
        datetime.combine(later(local.date(), period), local.time()), zone, second=shown_at(local, zone) != at
    )


def date_of(rule: Facts, ticket: Facts, ends_on: date | None, zone: ZoneInfo) -> datetime:
    """One rule's date."""
    try:
        if rule["after"] == "contract":
            return NEVER if ends_on is None else shown_at(
                datetime.combine(later(ends_on, rule["keep"]) + timedelta(days=1), time.min), zone)  # fmt: skip
        at = ticket[{"last-activity": "active", "closed": "closed", "opened": "opened"}[rule["after"]]]
        return NEVER if at is None else same_time(at, rule["keep"], zone)
    except (OverflowError, ValueError):  # past the last year
        return NEVER


def due(config: Facts, ticket: Facts, contracts: dict[str, date | None]) -> tuple[str, datetime | None]:
    """Which rule wins, and the date; ``contracts``: the last day of each organisation's, by its name."""
    zone, owner = ZoneInfo(config["time_zone"]), ticket["organisation"]
    ends_on = contracts.get(owner)
    late = ends_on is not None and ticket["opened"] is not None and ticket["opened"].astimezone(zone).date() > ends_on
    mine = {
        "class": {"other" if owner is None or late else "customer"}, "organisation": {owner},
        "connector": {ticket["connector"]}, "channel": {(ticket["channel"] or "").lower()},
        "tag": {tag.lower() for tag in ticket["tags"]},
    }  # fmt: skip
    best: tuple[str, datetime] | None = None
    demanded = False
    for rule in config["all"]:
        if not all(
            {w.lower() if k in {"tag", "channel"} else w for w in rule[k]} & has for k, has in mine.items() if k in rule
        ):
            continue
        at, demands = date_of(rule, ticket, ends_on, zone), rule["ground"] in {"law", "contract"}
        if best is None or demands > demanded or (demands == demanded and (at > best[1] if demands else at < best[1])):
            best, demanded = (rule["name"], at), demands
    assert best is not None
    return best[0], None if best[1] == NEVER else best[1]
