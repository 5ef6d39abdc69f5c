"""The store of what is remembered of mails that came in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.ids import TicketId
from domain.mail import MailPart


class MailDeliveries(Protocol):
    """Mails by digest and ticket, each with its parts (``domain.mail``)."""

    def find(self, digest: bytes, ticket_id: TicketId) -> Sequence[MailPart]:
        """What is remembered of a mail, in the order of its parts; nothing: it is new."""
        ...

    def add(self, parts: Sequence[MailPart]) -> None:
        """Remember parts that are not remembered yet."""
        ...

    def mark_relayed(self, digest: bytes, ticket_id: TicketId, *, at: datetime) -> None:
        """The next hop has taken it."""
        ...

    def forget(self, ticket_id: TicketId) -> int:
        """Delete all that is remembered of a ticket's mails; how many parts."""
        ...

    def sweep(self, before: datetime) -> int:
        """Delete what was kept before an instant; how many parts."""
        ...
