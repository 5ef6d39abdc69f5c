"""Passcodes of links: how often one may be tried, and the proof that one was right (S-92)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from audit import Log
from crypto import Secret, hash_passcode, keyed_digest, same, verify_passcode
from domain.clock import Clock
from domain.errors import RateLimited, WrongPasscode
from domain.ids import LinkId
from domain.link import Link
from links.refusal import record_refusal
from storage import Unit

PER_LINK = 5
PER_ADDRESS = 20
WINDOW = timedelta(minutes=15)
REMEMBERED_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PasscodeProof:
    """Whoever holds it gave the link's passcode. Made by ``Passcodes`` alone; a link's new passcode makes it void."""

    link_id: LinkId
    passcode_hash: str

    def fits(self, link: Link) -> bool:
        """Whether it is this link's proof, as the link is now."""
        return self.link_id == link.id and self.passcode_hash == link.passcode_hash


def demand_passcode(link: Link, proof: PasscodeProof | None) -> None:
    """Raises WrongPasscode where the link has a passcode and the proof is not of it."""
    if link.passcode_hash is not None and (proof is None or not proof.fits(link)):
        raise WrongPasscode


class Passcodes:
    """Trying passcodes. In order: ``allowed`` in a transaction, ``prove`` outside any (it takes a tenth of a second of
    a core), and where that raised, ``failed`` in the next transaction."""

    def __init__(self, log: Log, clock: Clock, secret: Secret) -> None:
        """``secret``: the site's, for what ``remember`` gives out."""
        self._log = log
        self._clock = clock
        self._secret = secret

    @staticmethod
    def hash(passcode: str) -> str:
        """What a new link keeps. Slow. Raises BadInput (field ``passcode``) for fewer than 6 characters."""
        return hash_passcode(passcode)

    def allowed(self, unit: Unit, link_id: LinkId, address_digest: bytes) -> None:
        """Raises RateLimited, with the seconds to wait, after 5 failures on the link or 20 of the address in 15 min."""
        now = self._clock()

        def full(wait: timedelta) -> bool:
            since = now + wait - WINDOW
            of_link = unit.passcode_failures.count(link_id=link_id, since=since)
            return of_link >= PER_LINK or (
                unit.passcode_failures.count(address_digest=address_digest, since=since) >= PER_ADDRESS
            )

        if full(timedelta()):
            minutes = (timedelta(minutes=minute) for minute in range(1, int(WINDOW / timedelta(minutes=1))))
            wait = next((wait for wait in minutes if not full(wait)), WINDOW)
            raise RateLimited("too many wrong passcodes; wait a little", retry_after=int(wait.total_seconds()))

    @staticmethod
    def prove(link: Link, passcode: str) -> PasscodeProof:
        """The proof. Slow, so never in a transaction. Raises WrongPasscode."""
        if link.passcode_hash is None or not verify_passcode(link.passcode_hash, passcode):
            raise WrongPasscode
        return PasscodeProof(link.id, link.passcode_hash)

    def failed(self, unit: Unit, link_id: LinkId, address_digest: bytes) -> None:
        """Count a failure, and write it down."""
        unit.passcode_failures.add(link_id, address_digest, at=self._clock())
        record_refusal(unit, self._log, link_id, WrongPasscode())

    def sweep(self, unit: Unit) -> int:
        """Forget failures that count no more; how many."""
        return unit.passcode_failures.sweep(before=self._clock() - WINDOW)

    def remember(self, proof: PasscodeProof) -> str:
        """The proof as a value for a cookie, good for an hour: nobody without the site's secret can make one."""
        until = int((self._clock() + REMEMBERED_FOR).timestamp())
        return f"{until}.{self._mac(proof, until)}"

    def recall(self, link: Link, remembered: str) -> PasscodeProof | None:
        """The proof out of such a value; None where it is over, of another link, of an older passcode, or made up."""
        if link.passcode_hash is None:
            return None
        proof = PasscodeProof(link.id, link.passcode_hash)
        until, dot, mac = remembered.partition(".")
        if not dot or not (until.isascii() and until.isdigit()) or len(until) > 12:
            return None
        if not same(mac, self._mac(proof, int(until))) or self._clock().timestamp() >= int(until):
            return None
        return proof

    def _mac(self, proof: PasscodeProof, until: int) -> str:
        return keyed_digest(self._secret, f"passcode\0{proof.link_id}\0{proof.passcode_hash}\0{until}").hex()
