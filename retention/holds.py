"""Legal holds: while one is in force on a ticket, or on its organisation, nothing of it is erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from audit import Log
from crypto import new_id
from domain.actor import EVERYTHING, SYSTEM, Action, Actor
from domain.clock import Clock
from domain.disposal import Hold
from domain.errors import BadInput, NotFound
from domain.event import Event, EventKind, Scalar
from domain.ids import HoldId, OrganisationId, TicketId
from keys import ORGANISATION, TICKET, Keys
from retention.period import Period
from storage.records import Unit

MAX_REASON = 2000
REVIEW = Period.parse("P1Y")
_UTC = ZoneInfo("UTC")
_LABEL = "hold-reason"


class Placed(NamedTuple):
    """A hold in force, and whether there was none before."""

    hold: Hold
    created: bool


@dataclass(frozen=True, slots=True)
class _On:
    """What a hold is on: a ticket or an organisation, whose own key seals the reasons."""

    ticket_id: TicketId | None = None
    organisation_id: OrganisationId | None = None

    @property
    def owner(self) -> tuple[str, str]:
        """The key's owner and purpose."""
        if self.ticket_id is not None:
            return self.ticket_id, TICKET
        return str(self.organisation_id), ORGANISATION


class HoldsDesk:
    """Places and releases holds, in the caller's transaction. Safe from any thread.

    All raise NotAllowed, and NotFound for what is not there or private; BadInput for a reason that is none.
    """

    def __init__(self, keys: Keys, log: Log, clock: Clock, *, review: Period = REVIEW, zone: ZoneInfo = _UTC) -> None:
        """``review``: how long after it was placed a hold is looked at again, where no day was given; days are those
        of ``zone``."""
        self._keys = keys
        self._log = log
        self._clock = clock
        self._review = review
        self._zone = zone

    def place_on_ticket(self, unit: Unit, actor: Actor, ref: str, reason: str, review_on: date | None) -> Placed:
        """Hold a ticket. Where it is held by its own hold already, the new one takes its place in one step."""
        on = _ticket(unit, actor, Action.PLACE_HOLD, ref)
        return self._place(unit, actor, on, _checked(reason), review_on)

    def place_on_organisation(self, unit: Unit, actor: Actor, ref: str, reason: str, review_on: date | None) -> Placed:
        """Hold all of an organisation's tickets, those to come too. Replaces as ``place_on_ticket`` does."""
        on = _organisation(unit, actor, Action.PLACE_HOLD, ref)
        return self._place(unit, actor, on, _checked(reason), review_on)

    def release_from_ticket(self, unit: Unit, actor: Actor, ref: str, reason: str | None) -> Hold:
        """End a ticket's own hold (its organisation's stays); the hold as it was. NotFound where there is none."""
        on = _ticket(unit, actor, Action.RELEASE_HOLD, ref)
        return self._release(unit, actor, on, reason)

    def release_from_organisation(self, unit: Unit, actor: Actor, ref: str, reason: str | None) -> Hold:
        """End an organisation's hold; the hold as it was. NotFound where there is none."""
        on = _organisation(unit, actor, Action.RELEASE_HOLD, ref)
        return self._release(unit, actor, on, reason)

    def place_again(self, unit: Unit, on_id: str, reason: str) -> bool:
        """Hold a ticket or an organisation, by its id, that was held before a backup was put back; False where there is
        none of that id, or where it is held."""
        on = _On(ticket_id=TicketId(on_id))
        if unit.tickets.by_id(TicketId(on_id), EVERYTHING) is None:
            on = _On(organisation_id=OrganisationId(on_id))
            if unit.organisations.by_id(OrganisationId(on_id), EVERYTHING) is None:
                return False
        if _present(unit, on) is not None:
            return False
        self._place(unit, SYSTEM, on, reason, None)
        return True

    def today(self) -> date:
        """The day it is where the site is."""
        return self._clock().astimezone(self._zone).date()

    def page(
        self,
        unit: Unit,
        actor: Actor,
        *,
        review_before: date | None,
        after: tuple[date, HoldId] | None,
        limit: int,
    ) -> Sequence[Hold]:
        """A page of the holds in force, those to be looked at soonest first; ``review_before`` narrows to those whose
        day of review is before another. Raises NotAllowed."""
        actor.scope(Action.READ_AUDIT)
        return unit.holds.by_review(review_before, after=after, limit=limit)

    def overdue(self, unit: Unit) -> int:
        """How many holds have a day of review that has passed. They keep what they keep."""
        return unit.holds.count_review(self.today())

    def open_reason(self, unit: Unit, hold: Hold) -> str | None:
        """Why a hold was placed; None once the key of what it was on is destroyed. Raises WrongContext."""
        owner_id, purpose = _On(hold.ticket_id, hold.organisation_id).owner
        return self._keys.open_text(unit, owner_id, purpose, _LABEL, hold.reason_sealed)

    def _place(self, unit: Unit, actor: Actor, on: _On, reason: str, review_on: date | None) -> Placed:
        before = _present(unit, on)
        now = self._clock()
        review_on = review_on or self._review.after(self.today())
        if before is not None:
            unit.holds.release(before.id, at=now, by=actor.principal_id, reason_sealed=None)
        sealed = self._keys.seal_text(unit, *on.owner, _LABEL, reason)
        hold = Hold(
            id=HoldId(new_id()),
            ticket_id=on.ticket_id,
            organisation_id=on.organisation_id,
            reason_sealed=sealed,
            review_on=review_on,
            placed_by=actor.principal_id,
            placed_at=now,
            released_at=None,
        )
        unit.holds.add(hold)
        facts: dict[str, Scalar] = {
            "ticket_id": on.ticket_id,
            "organisation_id": on.organisation_id,
            "reason_commitment": self._committed(unit, on, reason),
            "review_on": review_on.isoformat(),
            "replaces": before.id if before else None,
        }
        self._log.append(unit, Event(EventKind.HOLD_PLACED, actor, hold.id, facts))
        return Placed(hold, before is None)

    def _release(self, unit: Unit, actor: Actor, on: _On, reason: str | None) -> Hold:
        hold = _present(unit, on)
        sealed = committed = None
        if reason is not None:
            reason = _checked(reason)
            sealed = self._keys.seal_text(unit, *on.owner, _LABEL, reason)
            committed = self._committed(unit, on, reason)
        if hold is None or not unit.holds.release(
            hold.id, at=self._clock(), by=actor.principal_id, reason_sealed=sealed
        ):
            raise NotFound
        facts: dict[str, Scalar] = {
            "ticket_id": on.ticket_id,
            "organisation_id": on.organisation_id,
            "reason_commitment": committed,
        }
        self._log.append(unit, Event(EventKind.HOLD_RELEASED, actor, hold.id, facts))
        return hold

    def _committed(self, unit: Unit, on: _On, reason: str) -> str:
        return self._keys.commit_text(unit, *on.owner, _LABEL, reason).hex()


def _ticket(unit: Unit, actor: Actor, action: Action, ref: str) -> _On:
    ticket = unit.tickets.get(ref, actor.scope(action))
    if ticket is None:
        raise NotFound
    return _On(ticket_id=ticket.id)


def _organisation(unit: Unit, actor: Actor, action: Action, ref: str) -> _On:
    organisation = unit.organisations.get(ref, actor.scope(action))
    if organisation is None:
        raise NotFound
    return _On(organisation_id=organisation.id)


def _present(unit: Unit, on: _On) -> Hold | None:
    if on.organisation_id is not None:
        return unit.holds.on_organisation(on.organisation_id)
    if on.ticket_id is None:
        return None
    return next((hold for hold in unit.holds.on_ticket(on.ticket_id) if hold.ticket_id is not None), None)


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not 1 <= len(reason) <= MAX_REASON:
        raise BadInput(f"A hold needs a reason of 1 to {MAX_REASON} characters.", field="reason")
    if any(ord(character) < 0x20 and character not in "\n\r\t" for character in reason) or _unpaired(reason):
        raise BadInput("Control characters are not allowed here.", field="reason")
    return reason


def _unpaired(text: str) -> bool:
    return any(0xD800 <= ord(character) < 0xE000 for character in text)
