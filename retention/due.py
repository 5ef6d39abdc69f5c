"""What is due, and why a file is still here: questions, no effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.actor import EVERYTHING, Action, Actor
from domain.attachment import Attachment, AttachmentState
from domain.disposal import Decide, Destiny, DueItem, Hold
from domain.errors import AlreadyPurged, NotFound
from domain.ids import AttachmentId
from domain.ticket import Ticket
from storage.records import Unit

DecideIn = Callable[[Unit], Decide]
"""The policy that is in force in a transaction: it changes under a running service, and on other nodes."""
Fresh = Callable[[Unit, Ticket], None]
"""Raises FactsStale where what is known of a ticket is too old to erase anything by (S-69)."""


def _always(unit: Unit, ticket: Ticket) -> None:
    """Nobody speaks for tickets but those who put them."""


@dataclass(frozen=True, slots=True)
class Why:
    """Why an attachment is still here. ``due_at`` None: kept as long as the facts are as they are.

    ``holds``: those in force, the organisation's among them; while there is one, nothing goes, whatever the date.
    """

    attachment_id: AttachmentId
    retention_class: str
    rule: str
    facts: Mapping[str, str | None]
    due_at: datetime | None
    holds: Sequence[Hold]


class Outlook:
    """Answers by the policy of now, not by dates stored earlier. Works in the caller's transaction."""

    def __init__(self, decide: DecideIn, fresh: Fresh = _always) -> None:
        self._decide = decide
        self._fresh = fresh

    def check_fresh(self, unit: Unit, ticket: Ticket) -> None:
        """Raises FactsStale where what is known of a ticket is too old to erase anything by (S-69)."""
        self._fresh(unit, ticket)

    def destiny(self, unit: Unit, ticket: Ticket) -> Destiny:
        """What becomes of a ticket's files, by the facts known now."""
        organisation = None
        if ticket.organisation_id is not None:
            organisation = unit.organisations.by_id(ticket.organisation_id, EVERYTHING)
        return self._decide(unit)(ticket, organisation)

    def find(self, unit: Unit, actor: Actor, attachment_id: AttachmentId) -> Why:
        """``why`` for whoever may ask. Raises NotAllowed, NotFound (also for a private one), AlreadyPurged."""
        attachment = unit.attachments.get(attachment_id, actor.scope(Action.READ_RETENTION))
        if attachment is None:
            raise NotFound
        return self.why(unit, attachment)

    def why(self, unit: Unit, attachment: Attachment) -> Why:
        """The rule, the facts it was computed from, the date and the holds of an attachment the caller may see.

        Raises AlreadyPurged where it is erased or being erased.
        """
        if attachment.state in {AttachmentState.PURGING, AttachmentState.PURGED}:
            raise AlreadyPurged(certificate_id=attachment.certificate_id)
        ticket = unit.tickets.by_id(attachment.ticket_id, EVERYTHING)
        if ticket is None:
            raise NotFound
        destiny = self.destiny(unit, ticket)
        return Why(
            attachment_id=attachment.id,
            retention_class=destiny.retention_class,
            rule=destiny.rule,
            facts=destiny.facts,
            due_at=destiny.due_at,
            holds=unit.holds.on_ticket(ticket.id),
        )

    def due(
        self,
        unit: Unit,
        actor: Actor,
        before: datetime,
        *,
        after: tuple[datetime, AttachmentId] | None = None,
        limit: int = 100,
        held: bool | None = None,
    ) -> Sequence[DueItem]:
        """A page of what would be purged at ``before``, with what a hold keeps; ``after`` is the last item's pair of
        (due_at, attachment id). Raises NotAllowed."""
        return unit.disposals.due(before, actor.scope(Action.READ_RETENTION), after=after, limit=limit, held=held)
