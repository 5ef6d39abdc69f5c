"""Stores of ticket systems: how far each was read, what it hinted at, its files, and what we write on its tickets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.ids import AttachmentId, TicketId
from domain.source import SourceFileRow, SourceFileState


@dataclass(frozen=True, slots=True)
class ConnectorRow:
    """How far a ticket system was read. ``polled_at``, ``organisations_at``: everything it has is known as of then.

    ``next_at``: not asked again before. ``trouble``: the code of the last round's failure. ``report``: that round as
    JSON. ``journal_index``: up to which entry of the audit log arrived files were looked for. ``secret_number``: which
    of the webhook secrets of our own making is the present one; 0: none was made.
    """

    name: str
    kind: str
    created_at: datetime
    cursor: str | None = None
    polled_at: datetime | None = None
    organisations_cursor: str | None = None
    organisations_at: datetime | None = None
    next_at: datetime | None = None
    failures: int = 0
    trouble: str | None = None
    report: str | None = None
    reported_at: datetime | None = None
    journal_index: int = 0
    secret_number: int = 0


class Connectors(Protocol):
    """A row for each ticket system."""

    def put(self, row: ConnectorRow) -> None:
        """Insert, or replace the row of the same name."""
        ...

    def get(self, name: str) -> ConnectorRow | None:
        """A row."""
        ...

    def all(self) -> Sequence[ConnectorRow]:
        """All of them, by name."""
        ...

    def remove(self, name: str) -> None:
        """Forget a system: its row, its hints and its deliveries; its tickets are the caller's."""
        ...


@dataclass(frozen=True, slots=True)
class HintRow:
    """A ticket that a system said to look at, by its own id."""

    connector: str
    source_id: str
    received_at: datetime
    attempts: int
    next_at: datetime


class Hints(Protocol):
    """Tickets to look at, each once however often it was hinted at; and which deliveries came before (S-66)."""

    def first(self, connector: str, digest: bytes, *, now: datetime) -> bool:
        """Whether no delivery of that digest (32 bytes) came before; it did from now on."""
        ...

    def add(self, connector: str, source_ids: Collection[str], *, now: datetime) -> None:
        """Look at these tickets; at once, also where an earlier try had put that off."""
        ...

    def waiting(self, connector: str, now: datetime, *, limit: int) -> Sequence[HintRow]:
        """Hints whose time has come, the oldest first."""
        ...

    def count(self, connector: str) -> int:
        """How many there are."""
        ...

    def done(self, hint: HintRow) -> None:
        """Looked at; one that was given again since stays."""
        ...

    def put_off(self, hint: HintRow, *, next_at: datetime) -> None:
        """A try failed; one that was given again since is not put off."""
        ...

    def sweep(self, before: datetime) -> int:
        """Forget deliveries that came before an instant."""
        ...


@dataclass(frozen=True, slots=True)
class NoteRow:
    """Something to write on a ticket in its system. ``sealed``: the text under the ticket's own key, None once it is
    written; ``marker`` tells it from the others of its ticket."""

    ticket_id: TicketId
    marker: str
    connector: str
    public: bool
    sealed: bytes | None
    created_at: datetime
    next_at: datetime
    note_id: str | None = None
    attempts: int = 0
    written_at: datetime | None = None


class SourceNotes(Protocol):
    """What is to be written on tickets, and what was: kept, so that nothing is written twice."""

    def add(self, note: NoteRow) -> bool:
        """Keep a note; False where its ticket has one of that marker already."""
        ...

    def get(self, ticket_id: TicketId, marker: str) -> NoteRow | None:
        """A note."""
        ...

    def waiting(self, connector: str, now: datetime, *, limit: int) -> Sequence[NoteRow]:
        """Notes whose time has come, the oldest first."""
        ...

    def count(self, connector: str) -> int:
        """How many wait."""
        ...

    def seal(self, note: NoteRow, sealed: bytes) -> None:
        """Keep its text before it is written anywhere: whatever comes then, the same text is tried again."""
        ...

    def written(self, note: NoteRow, *, note_id: str | None, at: datetime) -> None:
        """It stands there; None: there is no such ticket to write on. Its text is forgotten."""
        ...

    def put_off(self, note: NoteRow, *, next_at: datetime) -> None:
        """A try failed."""
        ...


class SourceFiles(Protocol):
    """Files on tickets of other systems."""

    def put(self, row: SourceFileRow) -> None:
        """Insert, or replace the row of the same connector and source id."""
        ...

    def get(self, connector: str, source_id: str) -> SourceFileRow | None:
        """A file."""
        ...

    def of_ticket(self, ticket_id: TicketId) -> Sequence[SourceFileRow]:
        """A ticket's files, by connector and source id."""
        ...

    def of_attachment(self, attachment_id: AttachmentId) -> SourceFileRow | None:
        """Where an attachment was brought home from."""
        ...

    def waiting(
        self, connector: str, states: Collection[SourceFileState], now: datetime, *, limit: int
    ) -> Sequence[SourceFileRow]:
        """Files in these states whose time has come, the oldest first."""
        ...

    def counts(self, connector: str) -> Mapping[SourceFileState, int]:
        """How many there are in each state."""
        ...

    def page(self, connector: str, state: SourceFileState, *, after: str | None, limit: int) -> Sequence[SourceFileRow]:
        """Files in a state in the order of their source ids, beginning after one."""
        ...
