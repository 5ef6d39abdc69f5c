"""What may not be erased though somebody asks for it, and by what right (GDPR, article 17(3))."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.disposal import Destiny
from domain.ticket import Ticket
from retention import Ground, Outlook
from storage import Unit

HOLD, ACCESS = "hold", "access"
"""By what something is kept, beside the grounds of rules: a legal hold, and access that is in force."""
_LEAST = frozenset({Ground.LAW.value, Ground.CONTRACT.value})


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that stays. ``until`` None: nobody knows yet. ``rule``: the retention rule in words."""

    what: str
    name: str
    by: str
    rule: str | None = None
    until: datetime | None = None


def ground_of(destiny: Destiny, now: datetime) -> str | None:
    """What forbids erasing by the retention policy: a rule that law or a contract gives, until its time is up. The
    site's own rules say for how long something may be kept, not that it must be."""
    if destiny.due_at is not None and destiny.due_at <= now:
        return None
    ground = destiny.facts.get("ground")
    return ground if ground in _LEAST else None


def keeps(outlook: Outlook, unit: Unit, ticket: Ticket, now: datetime) -> Kept | None:
    """What keeps a ticket, by the facts of this very transaction; None: it can go."""
    destiny = outlook.destiny(unit, ticket)
    if unit.holds.held(ticket.id):
        return Kept("ticket", ticket.ref, HOLD, destiny.rule, None)
    by = ground_of(destiny, now)
    return None if by is None else Kept("ticket", ticket.ref, by, destiny.rule, destiny.due_at)
