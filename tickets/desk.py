"""The port of a ticket system, and the words both sides of it use.

A connector implements ``Desk`` (its API: the truth) and, where the system can call us, ``Hook`` (its webhooks: hints).
Connectors know their system and nothing of Bilaga's records; ``reconcile`` and ``evacuate`` know records and no system.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.ticket import Standing
from tickets.said import OrganisationFact, TicketFact

__all__ = [
    "Check",
    "Deletion",
    "Delivery",
    "Desk",
    "Hint",
    "Hook",
    "Message",
    "OrganisationPage",
    "Page",
    "SourceFile",
    "SourceTicket",
    "Standing",
]


@dataclass(frozen=True, slots=True)
class SourceTicket:
    """What a system's API says of one ticket. ``version``: microseconds since 1970 of its last change there; the newer
    wins, and of an equal one nothing is new. ``fact.ref`` is our outside name of it, ``id`` the system's own."""

    id: str
    version: int
    fact: TicketFact
    organisation: OrganisationFact | None = None
    standing: Standing = Standing.PRESENT
    merged_into: str | None = None
    """The system's id of the ticket it was merged into."""


@dataclass(frozen=True, slots=True)
class Page:
    """Tickets that changed, the oldest change first. ``cursor``: what to ask with next, also when there was nothing;
    ``last``: nothing more has changed by now."""

    tickets: Sequence[SourceTicket]
    cursor: str
    last: bool


@dataclass(frozen=True, slots=True)
class OrganisationPage:
    """Organisations that changed, with ``cursor`` and ``last`` as of ``Page``."""

    organisations: Sequence[OrganisationFact]
    cursor: str
    last: bool


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file on a ticket in its system. ``address`` may go stale within minutes: ask for the files anew before reading.

    ``size`` in bytes as announced, None where it is not; no more than that is read. ``part``: the system's id of the
    comment, conversation or article it hangs on, None for the ticket itself.
    """

    id: str
    ticket_id: str
    name: str
    media_type: str | None
    size: int | None
    address: str
    part: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What is written on a ticket. ``marker`` is a short word that stands in it: one that is there already is not
    written again. ``html`` is escaped already; ``text`` says the same for systems without. ``public``: to the requester
    (a reply), else to agents only (a private note)."""

    marker: str
    html: str
    text: str
    public: bool = False


@dataclass(frozen=True, slots=True)
class Deletion:
    """What came of deleting a file at its source. ``gone``: looked for afterwards, and not there. ``reason``: why not,
    in one line without a person's data."""

    gone: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One line of what ``bilaga connector test`` tells: whether something works, and what to do where it does not."""

    name: str
    ok: bool
    detail: str


class Desk(Protocol):
    """One ticket system, by its API. Plain synchronous calls, safe from any thread.

    All raise DeskUnavailable (down, or over its rate: ``wait`` seconds where it said so) and DeskRefused (credentials,
    rights: nothing gets better by itself).
    """

    def check(self) -> Sequence[Check]:
        """Try out everything the connector needs, changing nothing. Raises nothing: what fails is a line."""
        ...

    def changed(self, cursor: str | None) -> Page:
        """A page of tickets that changed, also those trashed, marked as spam or merged. None: from the beginning."""
        ...

    def ticket(self, ticket_id: str) -> SourceTicket | None:
        """One ticket as it is now; None: there is none, for good."""
        ...

    def organisations(self, cursor: str | None) -> OrganisationPage:
        """A page of organisations with their contracts' ends. None: from the beginning."""
        ...

    def files(self, ticket_id: str) -> Sequence[SourceFile]:
        """Every file on a ticket and on what was said in it, with fresh addresses; empty where there is no ticket."""
        ...

    def read(self, file: SourceFile) -> AbstractContextManager[Iterator[bytes]]:
        """A file's bytes in pieces. Raises FileNotFoundError where it is gone by now."""
        ...

    def write(self, ticket_id: str, message: Message) -> str:
        """Write on a ticket unless the marker is there already; the system's id of what stands there. Raises NotFound
        where there is no such ticket."""
        ...

    def delete(self, file: SourceFile) -> Deletion:
        """Delete a file and look whether it is gone. One that was gone already is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook's request: header fields by lower-case name, and the raw body (at most 256 KiB)."""

    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Hint:
    """What a webhook says: look at these tickets. ``key`` tells a delivery from another one where the system does;
    ``facts`` are taken as said only from systems whose word is signed and that have no API to ask (generic)."""

    ticket_ids: Sequence[str]
    key: str | None = None
    facts: Sequence[SourceTicket] = ()
    organisations: Sequence[OrganisationFact] = ()


class Hook(Protocol):
    """Reads a system's webhooks."""

    def hint(self, delivery: Delivery) -> Hint:
        """Check a delivery's signature or secret in constant time over the raw body, then read it. Raises LoginRequired
        for a bad or missing one, without detail, and BadInput for a body that says nothing we know."""
        ...
