"""Stores of links, grants, receipts, mailed codes and wrong passcodes. Tokens are looked up by their SHA-256 alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.actor import Scope
from domain.ids import AttachmentId, GrantId, LinkId, TicketId
from domain.link import Grant, Link, Receipt


class Links(Protocol):
    """Links' rows."""

    def add(self, link: Link, digest: bytes) -> None:
        """Keep a link under its token's digest (32 bytes)."""
        ...

    def by_digest(self, digest: bytes) -> Link | None:
        """The link of a token. No scope: the token is the credential."""
        ...

    def get(self, link_id: LinkId, scope: Scope) -> Link | None:
        """A link, if the scope sees its ticket."""
        ...

    def of_ticket(self, ticket_id: TicketId, scope: Scope) -> Sequence[Link]:
        """Every link of a ticket, dead ones too, oldest first (S-53)."""
        ...

    def revoke(self, link_id: LinkId, *, at: datetime) -> bool:
        """End a link; False where it had ended."""
        ...

    def revoke_of_attachment(self, attachment_id: AttachmentId, *, at: datetime) -> int:
        """End every download link and every grant of an attachment; how many links ended."""
        ...

    def count_use(self, link_id: LinkId, *, now: datetime) -> bool:
        """One more download by one conditional statement (S-58); False where revoked, expired or used up."""
        ...

    def erase_of_ticket(self, ticket_id: TicketId, *, at: datetime) -> int:
        """End every link of a ticket and empty what names people in it; how many rows were touched."""
        ...


class Grants(Protocol):
    """Grants' rows."""

    def add(self, grant: Grant, digest: bytes) -> None:
        """Keep a grant under its token's digest."""
        ...

    def by_digest(self, digest: bytes) -> Grant | None:
        """The grant of a token."""
        ...

    def spend(self, grant_id: GrantId, *, size: int, now: datetime) -> bool:
        """Take ``size`` bytes of the budget by one conditional statement; False where ended or not enough is left."""
        ...

    def refund(self, grant_id: GrantId, *, size: int) -> None:
        """Bytes taken of the budget and not delivered."""
        ...

    def sweep(self, *, before: datetime) -> int:
        """Delete grants that ended before an instant."""
        ...


class Receipts(Protocol):
    """Receipts' rows."""

    def add(self, receipt: Receipt, digest: bytes) -> None:
        """Keep a receipt under its token's digest."""
        ...

    def by_digest(self, digest: bytes) -> Receipt | None:
        """The receipt of a token."""
        ...

    def of_ticket(self, ticket_id: TicketId) -> Sequence[Receipt]:
        """A ticket's receipts, oldest first."""
        ...

    def remove_of_ticket(self, ticket_id: TicketId) -> int:
        """Delete a ticket's receipts; how many there were."""
        ...


class Codes(Protocol):
    """Codes mailed to a link's recipient: one at a time for a link."""

    def put(self, link_id: LinkId, *, digest: bytes, expires_at: datetime, tries: int, sent_at: datetime) -> None:
        """Replace the link's code."""
        ...

    def sent_at(self, link_id: LinkId) -> datetime | None:
        """When the link's present code was sent."""
        ...

    def redeem(self, link_id: LinkId, *, digest: bytes, now: datetime) -> bool:
        """True, once, for the right code in time; a wrong one costs a try, and at none left the code is dead."""
        ...


class PasscodeFailures(Protocol):
    """Wrong passcodes, counted for a link and for an address's keyed digest (S-92)."""

    def add(self, link_id: LinkId, address_digest: bytes, *, at: datetime) -> None:
        """One more."""
        ...

    def count(self, *, link_id: LinkId | None = None, address_digest: bytes | None = None, since: datetime) -> int:
        """How many since an instant, of a link or of an address."""
        ...

    def sweep(self, *, before: datetime) -> int:
        """Forget those before an instant."""
        ...
