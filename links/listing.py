"""Every link of a ticket, for those who may revoke it: no hidden links (S-53)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.actor import Action, Actor
from domain.errors import NotFound
from domain.link import Link, LinkKind
from keys import TICKET, Keys
from links.issue import NOTE
from links.recipient import open_recipient
from storage import Quota, Unit


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link as its owner sees it; never its token. ``quota``: what an upload link was used for."""

    link: Link
    note: str | None
    recipient: str | None
    quota: Quota | None


class Listing:
    """Shows links."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def of_ticket(self, unit: Unit, actor: Actor, ticket_ref: str) -> Sequence[LinkView]:
        """A ticket's links, dead ones too, oldest first. Raises NotAllowed, NotFound."""
        scope = actor.scope(Action.REVOKE_LINK)
        ticket = unit.tickets.get(ticket_ref, scope)
        if ticket is None:
            raise NotFound
        return [self.view(unit, link) for link in unit.links.of_ticket(ticket.id, scope)]

    def view(self, unit: Unit, link: Link) -> LinkView:
        """One link with its sealed texts opened; None for those whose key is gone."""
        note = None
        if link.note_sealed is not None:
            note = self._keys.open_text(unit, link.ticket_id, TICKET, NOTE, link.note_sealed)
        quota = unit.quotas.get(link.id) if link.kind is LinkKind.UPLOAD else None
        return LinkView(link, note, open_recipient(unit, self._keys, link), quota)
