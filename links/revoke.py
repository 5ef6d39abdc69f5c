"""Ending links by hand: for good, and effective on the next request on every node (S-52)."""

from __future__ import annotations

from audit import Log
from domain.actor import Action, Actor
from domain.clock import Clock
from domain.errors import NotFound
from domain.event import Event, EventKind
from domain.ids import LinkId
from storage import Unit


class Revoking:
    """Revokes links in the caller's transaction."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def revoke(self, unit: Unit, actor: Actor, link_id: LinkId) -> bool:
        """End a link and with it every grant it gave; False where it had been revoked before.

        Raises NotAllowed, and NotFound for a link that the actor's scope does not see.
        """
        link = unit.links.get(link_id, actor.scope(Action.REVOKE_LINK))
        if link is None:
            raise NotFound
        revoked = unit.links.revoke(link.id, at=self._clock())
        if revoked:
            facts = {"kind": link.kind.value, "ticket": link.ticket_id, "attachment": link.attachment_id}
            self._log.append(unit, Event(EventKind.LINK_REVOKED, actor, link.id, facts))
        return revoked
