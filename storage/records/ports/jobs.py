"""Stores for the service's own work: leases, mails to send, answers to repeat, and the site's few marks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.ids import TicketId


class Leases(Protocol):
    """Leases on named jobs, with a fencing number that only grows (S-71)."""

    def take(self, name: str, *, owner: str, now: datetime, until: datetime) -> int | None:
        """Take or prolong a lease; its fencing number, or None while another owner has it. A new owner gets a new
        number; prolonging keeps it."""
        ...

    def holds(self, name: str, *, fence: int, now: datetime) -> bool:
        """Whether that fencing number is the present one and not over: to be asked in the effect's own transaction."""
        ...

    def give_up(self, name: str, *, fence: int) -> None:
        """End a lease early."""
        ...

    def end_all(self) -> int:
        """End every lease, whosever it is; how many were running. For the one process that serves a site, when it
        starts: their owners died with the one before it, and a run beside it that did not is fenced off."""
        ...

    def living(self, prefix: str, *, now: datetime) -> frozenset[str]:
        """The names that begin with ``prefix`` and whose lease is not over."""
        ...

    def forget(self, prefix: str, *, before: datetime) -> int:
        """Delete leases that were over before an instant; how many. For names that are never taken again only: their
        fencing numbers begin anew."""
        ...


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to send; ``sealed`` holds address and text, sealed under a secret of the site. ``ticket_id``: the ticket
    it is about, with which it is erased."""

    id: str
    sealed: bytes
    attempts: int
    next_at: datetime
    expires_at: datetime
    ticket_id: TicketId | None = None


class Outbox(Protocol):
    """Mails to send, written in the transaction that wants them sent."""

    def add(self, mail: Mail) -> None:
        """Keep a mail until it was sent or has expired."""
        ...

    def waiting(self, now: datetime, *, limit: int) -> Sequence[Mail]:
        """Mails whose time has come, oldest first."""
        ...

    def page(self, *, after: str | None, limit: int) -> Sequence[Mail]:
        """All mails there are, in the order of their ids."""
        ...

    def put_off(self, mail_id: str, *, next_at: datetime) -> None:
        """A try failed."""
        ...

    def remove(self, mail_id: str) -> None:
        """Sent."""
        ...

    def remove_of_ticket(self, ticket_id: TicketId) -> int:
        """Delete what is about a ticket; how many."""
        ...

    def sweep(self, now: datetime) -> int:
        """Delete expired mails."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request under an idempotency key was answered; ``sealed`` None: it is still running, on ``node``."""

    key_digest: bytes
    fingerprint: bytes | None
    sealed: bytes | None
    expires_at: datetime
    node: str | None


class Answers(Protocol):
    """Answers by idempotency key (S-4); the key's digest covers the caller and the operation too."""

    def begin(self, key_digest: bytes, *, node: str, now: datetime, expires_at: datetime) -> Answer | None:
        """Claim a key for a node: None where it was free and is running now, else what is known of it."""
        ...

    def complete(self, key_digest: bytes, *, node: str, fingerprint: bytes, sealed: bytes) -> None:
        """Keep the answer, in the transaction of the effect. Raises StateConflict where the node has no such claim any
        more: the effect must then not be kept."""
        ...

    def forget(self, key_digest: bytes, *, node: str) -> None:
        """The node's request came to nothing: the key is free again."""
        ...

    def free(self, living: Collection[str]) -> int:
        """Free every key without an answer that no node of these is at work on; how many."""
        ...

    def sweep(self, now: datetime) -> int:
        """Delete expired ones."""
        ...


class Site(Protocol):
    """The site's few marks, text by name (installation id, the highest instant seen, …)."""

    def get(self, name: str) -> str | None:
        """A mark."""
        ...

    def put(self, name: str, value: str) -> None:
        """Set a mark."""
        ...
