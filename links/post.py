"""The outbox emptied: mails written in a transaction go to the mail server, tried again until they expire."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from crypto import Secret
from domain.clock import Clock
from domain.errors import Damaged, Unavailable
from links.letter import open_letter
from storage import Mail, Records

log = logging.getLogger(__name__)
BATCH = 50
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)


def _always() -> None:
    """Nobody takes over."""


class Mailer(Protocol):
    """Something that takes mails."""

    def send(self, address: str, subject: str, text: str) -> None:
        """Hand one mail over. Raises Unavailable where it was not taken; then it may be tried again."""
        ...


class Post:
    """Sends what waits, on one node at a time. At least once: a crash between sending and noting it sends a mail twice,
    never not at all."""

    def __init__(self, records: Records, mailer: Mailer, letters: Secret, clock: Clock) -> None:
        self._records = records
        self._mailer = mailer
        self._letters = letters
        self._clock = clock

    def has_work(self) -> bool:
        """Whether a mail waits whose time has come."""
        return bool(self._records.read(lambda unit: unit.outbox.waiting(self._clock(), limit=1)))

    def run(self, go_on: Callable[[], None] = _always) -> int:
        """One round; how many mails went out. ``go_on`` is called before each: what it raises ends the round."""
        now = self._clock()
        self._records.write(lambda unit: unit.outbox.sweep(now))
        sent = 0
        for mail in self._records.read(lambda unit: unit.outbox.waiting(now, limit=BATCH)):
            go_on()
            sent += self._send(mail)
        return sent

    def _send(self, mail: Mail) -> bool:
        try:
            letter = open_letter(self._letters, mail)
            self._mailer.send(letter.to, letter.subject, letter.text)
        except Damaged:
            log.exception("mail unreadable", extra={"mail_id": mail.id})
            self._records.write(lambda unit: unit.outbox.remove(mail.id))
            return False
        except Unavailable:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(mail.attempts, 10))
            log.warning("mail put off", extra={"mail_id": mail.id, "attempts": mail.attempts + 1})
            self._records.write(lambda unit: unit.outbox.put_off(mail.id, next_at=self._clock() + pause))
            return False
        self._records.write(lambda unit: unit.outbox.remove(mail.id))
        return True
