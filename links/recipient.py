"""Codes mailed to the one a download link names: six digits, 15 minutes, five tries, one a minute."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from audit import Log
from crypto import Secret, keyed_digest, new_id
from domain.actor import Actor, Role
from domain.clock import Clock
from domain.errors import CodeNeeded, LinkRevoked, RateLimited, StateConflict
from domain.event import Event, EventKind
from domain.ids import LinkId
from domain.link import Link
from keys import TICKET, Keys
from links.letter import Letter, seal_letter
from links.passcode import Passcodes
from links.refusal import record_refusal
from storage import Mail, Unit

LIFE = timedelta(minutes=15)
TRIES = 5
PAUSE = timedelta(minutes=1)
RECIPIENT = "recipient"


@dataclass(frozen=True, slots=True)
class CodeProof:
    """Whoever holds it gave the code that was mailed to the link's recipient. Made by ``RecipientCodes`` alone."""

    link_id: LinkId


def demand_code(link: Link, proof: CodeProof | None) -> None:
    """Raises CodeNeeded where the link names a recipient and the proof is not of it."""
    if link.recipient_sealed is not None and (proof is None or proof.link_id != link.id):
        raise CodeNeeded


def open_recipient(unit: Unit, keys: Keys, link: Link) -> str | None:
    """The recipient's address; None where the link names none, or the ticket's key is gone."""
    if link.recipient_sealed is None:
        return None
    return keys.open_text(unit, link.ticket_id, TICKET, RECIPIENT, link.recipient_sealed)


class RecipientCodes:
    """Sending codes and checking them. A code is spent before anything is counted or served."""

    def __init__(
        self, keys: Keys, log: Log, clock: Clock, passcodes: Passcodes, *, secret: Secret, letters: Secret
    ) -> None:
        """``secret``: the site's for codes' digests; ``letters``: the site's for mails in the outbox."""
        self._keys = keys
        self._log = log
        self._clock = clock
        self._passcodes = passcodes
        self._secret = secret
        self._letters = letters

    def send(self, unit: Unit, link: Link, compose: Callable[[str], tuple[str, str]]) -> None:
        """Make a code, and put the mail that ``compose(code)`` words (subject, text) into the outbox.

        Raises StateConflict where the link names nobody, RateLimited within a minute of the last code.
        """
        if link.recipient_sealed is None:
            raise StateConflict("this link names no recipient")
        now = self._clock()
        sent_at = unit.codes.sent_at(link.id)
        if sent_at is not None and now < sent_at + PAUSE:
            wait = sent_at + PAUSE - now
            raise RateLimited("a code was sent just now", retry_after=int(wait.total_seconds()) + 1)
        address = open_recipient(unit, self._keys, link)
        if address is None:
            raise LinkRevoked
        code = f"{secrets.randbelow(10**6):06}"
        subject, text = compose(code)
        mail_id = new_id()
        until = now + LIFE
        unit.codes.put(link.id, digest=self._digest(link.id, code), expires_at=until, tries=TRIES, sent_at=now)
        sealed = seal_letter(self._letters, Letter(address, subject, text), mail_id)
        mail = Mail(id=mail_id, sealed=sealed, attempts=0, next_at=now, expires_at=until, ticket_id=link.ticket_id)
        unit.outbox.add(mail)
        self._log.append(unit, Event(EventKind.CODE_SENT, Actor(Role.REQUESTER), link.id))

    def check(self, unit: Unit, link: Link, code: str, address_digest: bytes) -> CodeProof | None:
        """Spend a try: the proof, once, for the right code in time; None for a wrong one.

        It answers and does not raise, since a try must be counted by the commit of this transaction. A wrong code
        counts as a wrong passcode too, so that new codes give no endless tries. Raises RateLimited before anything is
        spent.
        """
        self._passcodes.allowed(unit, link.id, address_digest)
        given = "".join(code.split())
        if unit.codes.redeem(link.id, digest=self._digest(link.id, given), now=self._clock()):
            return CodeProof(link.id)
        unit.passcode_failures.add(link.id, address_digest, at=self._clock())
        record_refusal(unit, self._log, link.id, CodeNeeded())
        return None

    def _digest(self, link_id: LinkId, code: str) -> bytes:
        # Bound to the link: the same six digits for another link are another code.
        return keyed_digest(self._secret, f"code\0{link_id}\0{code}")
