"""A ticket's mail address: ``ticket+REF.MAC@domain``, which nobody can guess and any server may change the case of."""

from __future__ import annotations

import re
from base64 import b32encode
from uuid import UUID

from crypto import Secret, keyed_digest, same
from domain.actor import EVERYTHING
from domain.ids import TicketId
from domain.ticket import Ticket, TicketStatus
from storage import Unit

LOCAL_MAX = 64
"""Octets of a local part (RFC 5321, section 4.5.3.1.1)."""
_PREFIX = "ticket+"
_MAC_LENGTH = 16
"""Characters of base32: 80 bits."""
_PLAIN_REF = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*|[A-Z0-9]+(?:[-_][A-Z0-9]+)*")
"""References that survive a change of case, and need no quotes; others are written as the ticket's id."""
_ID = re.compile(r"[0-9a-f]{32}")


class MailAddresses:
    """Makes and reads them. ``plain``: an address without a MAC counts too, for sites whose own server alone talks to
    the door; ``closed``: a closed ticket takes mail as an open one does."""

    def __init__(self, secret: Secret, domain: str, *, plain: bool = False, closed: bool = False) -> None:
        self._secret = secret
        self._domain = domain.lower()
        self._plain = plain
        self._closed = closed

    def of(self, ticket: Ticket) -> str:
        """The ticket's address."""
        longest = LOCAL_MAX - len(_PREFIX) - 1 - _MAC_LENGTH
        plain = _PLAIN_REF.fullmatch(ticket.ref) and len(ticket.ref) <= longest and not _ID.fullmatch(ticket.ref)
        written = ticket.ref if plain else ticket.id.replace("-", "")
        return f"{_PREFIX}{written}.{self._mac(ticket.id)}@{self._domain}"

    def find(self, unit: Unit, address: str) -> Ticket | None:
        """The ticket that takes mail under an envelope's address; None for anything else, whatever the reason."""
        local, _, domain = address.rpartition("@")
        if domain.lower() != self._domain or not local.lower().startswith(_PREFIX) or len(local) > LOCAL_MAX:
            return None
        said = local[len(_PREFIX) :]
        written, dot, mac = said.rpartition(".")
        found = self._written(unit, written if dot else said)
        # For an unknown one as well: both take the same time.
        macs = [self._mac(ticket.id) for ticket in found] or [self._mac(TicketId(""))]
        right = [ticket for ticket, real in zip(found, macs, strict=False) if same(real, mac.lower()) and dot]
        if not found:
            same(macs[0], mac.lower())
        if not right and self._plain:
            right = self._written(unit, said)  # also of a reference with a dot in it
        if not right or right[0].erased_at is not None:
            return None
        return right[0] if self._closed or right[0].status is not TicketStatus.CLOSED else None

    def _written(self, unit: Unit, written: str) -> list[Ticket]:
        """The tickets that may be meant: references differ in case, and servers may have changed it."""
        if _ID.fullmatch(written.lower()):
            found = [unit.tickets.by_id(TicketId(str(UUID(written))), EVERYTHING)]
        else:
            refs = dict.fromkeys((written, written.upper(), written.lower()))
            found = [unit.tickets.get(ref, EVERYTHING) for ref in refs if ref]
        return [ticket for ticket in found if ticket is not None]

    def _mac(self, ticket_id: TicketId) -> str:
        return b32encode(keyed_digest(self._secret, ticket_id)[:10]).decode().lower()
