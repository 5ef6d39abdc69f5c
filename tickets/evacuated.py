"""What evacuation speaks in: a file's way home from a ticket system, the vault as evacuation needs it, and a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from audit import Log
from domain.clock import Clock
from domain.ids import AttachmentId, TicketId
from storage.records import Records, Unit
from tickets.desk import Desk, SourceTicket


class Left(StrEnum):
    """Why a file stays where it is, where no refusal of our own says it by its code."""

    VANISHED = "vanished"
    """It was listed, and was not there any more when it was to be fetched."""
    TICKET_GONE = "ticket-gone"
    TICKET_AWAY = "ticket-trashed"
    CHANGED = "changed"
    """It is another one than the one we hold."""
    LARGER = "larger-than-announced"
    INCOMPLETE = "incomplete"
    UNREADABLE = "not-readable"
    LOCKED = "quarantined"
    ERASED = "erased-here"
    DAMAGED = "not-as-kept"
    NOT_DELETED = "not-deletable"
    TICKET_ERASED = "ticket-erased"
    """Our ticket's time was up: nothing is taken in for it any more."""


COMES_BACK = frozenset({Left.VANISHED, Left.TICKET_GONE, Left.TICKET_AWAY})
"""What is left for one of these is taken up again where it is listed again."""


AFTER_ITS_NOTE = frozenset({Left.CHANGED, Left.LOCKED, Left.ERASED, Left.DAMAGED, Left.NOT_DELETED})
"""What only a file is left for that is kept and told of already."""


class Proof(StrEnum):
    """What there is to show for a file that was taken in."""

    DURABLE = "durable"
    """Acknowledged, and the store gave back what was written."""
    NOT_YET = "not-yet"
    """Still being checked."""
    LOCKED = "locked"
    ERASED = "erased"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Brought:
    """A file on its way in. ``size`` in bytes, as announced."""

    ticket_id: TicketId
    connector: str
    name: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that was taken in and acknowledged; ``size`` in bytes."""

    attachment_id: AttachmentId
    size: int


Recorded = Callable[[Unit, Kept], None]
"""Called in the very transaction that acknowledges a file; what it raises undoes it."""


class Vault(Protocol):
    """Bilaga, as evacuation needs it. Its wiring knows ``transfer``; this floor does not."""

    def bind(self, source: SourceTicket) -> TicketId:
        """Our ticket for one of the system's, its facts applied. Raises BadInput, StateConflict."""
        ...

    def keep(self, brought: Brought, chunks: Iterable[bytes], then: Recorded) -> Kept:
        """Take a file in by the one journey of all files. Raises what that raises, and then nothing is kept."""
        ...

    def size_of(self, attachment_id: AttachmentId) -> int:
        """A file's size in bytes; 0 where there is none any more."""
        ...

    def proven(self, attachment_id: AttachmentId) -> Proof:
        """What there is to show for a file now, its every byte read back. Raises Unavailable."""
        ...

    def address_of(self, attachment_id: AttachmentId) -> str:
        """Where an agent gets a file."""
        ...

    def ticket_address(self, ticket_id: TicketId) -> str:
        """Where an agent sees a ticket's files."""
        ...


Steps = Callable[[str], None]
"""Called with the name of each step that was done: where crash tests stop the process."""


def unwatched(step: str) -> None:
    """Goes on."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What the evacuation of one connector works with. ``delete`` False: files are copied and told of, and stay at
    their source. ``beat`` is called every now and then while a run is at work."""

    records: Records
    log: Log
    clock: Clock
    connector: str
    desk: Desk
    vault: Vault
    delete: bool = True
    language: str = "en"
    beat: Callable[[], None] = lambda: None
    steps: Steps = unwatched
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class LeftFile:
    """A file that stays at its source. Ids of the system's own; no names."""

    ticket: str
    file: str
    reason: str


@dataclass(slots=True)
class EvacuationReport:
    """What a run did. ``left``: everything that stays at the source by now, of earlier runs too. ``waiting``: files on
    their way that this run did not bring to their end. ``stopped``: the code of what stopped it early."""

    connector: str
    dry_run: bool = False
    tickets: int = 0
    seen: int = 0
    kept: int = 0
    kept_bytes: int = 0
    notes: int = 0
    deleted: int = 0
    waiting: int = 0
    left: list[LeftFile] = field(default_factory=list)
    trouble: list[LeftFile] = field(default_factory=list)
    """Tickets that could not be looked at this time; ``file`` is empty."""
    stopped: str | None = None
    more: bool = False
    """Whether it ended before everything was looked at."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left anywhere, and everything was looked at."""
        return not (self.left or self.trouble or self.stopped or self.more or self.waiting)
