"""What Bilaga writes on tickets: an upload link on a new one, and a word to the agents when files have arrived.

A note is a row first, in the transaction that wants it, and is written under a marker of its own: so each stands there
once, whatever is killed in between. A link is made, and sealed under the ticket's key, before anybody hears of it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from html import escape

from domain.actor import EVERYTHING
from domain.clock import Clock
from domain.errors import DeskRefused, Gone, NotFound
from domain.event import EventKind
from domain.ids import TicketId
from domain.ticket import Standing, Ticket, TicketStatus
from keys import TICKET, Keys
from storage.records import ConnectorRow, NoteRow, Records, Unit
from tickets.connectors import Frame
from tickets.desk import Desk, Message
from tickets.wording import ARRIVED, WELCOME

log = logging.getLogger(__name__)
WELCOME_MARKER = "bilaga-welcome"
AT_ONCE = 50
ENTRIES = 1000
ATTEMPTS = 12
FIRST_PAUSE = timedelta(minutes=1)
_LABEL = "note"
UploadLink = Callable[[Unit, str], str]
"""Makes an upload link for the ticket of that name; its address."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What notes are made with: ``ticket_address`` of a ticket's page for agents, by its name."""

    upload_link: UploadLink
    ticket_address: Callable[[Unit, str], str]
    language: str


class Notes:
    """Safe from any thread; who writes is under the connector's lease."""

    def __init__(self, records: Records, keys: Keys, clock: Clock, writing: Writing) -> None:
        self._records = records
        self._keys = keys
        self._clock = clock
        self._writing = writing

    def welcome(self, unit: Unit, frame: Frame, row: ConnectorRow, ticket: Ticket) -> bool:
        """Want an upload link on a ticket that is new: opened since the connector was added, and not over already."""
        opened_at = ticket.opened_at or ticket.last_activity_at
        if (
            frame.welcome == "none"
            or opened_at < row.created_at
            or ticket.status is TicketStatus.CLOSED
            or ticket.standing is not Standing.PRESENT
        ):
            return False
        return self._add(unit, frame.name, ticket.id, WELCOME_MARKER, public=frame.welcome == "reply")

    def look_for_files(self, frame: Frame, guard: Callable[[Unit], None]) -> None:
        """Want a note on each ticket to which somebody sent files by one of our links since the last look."""
        while self._records.write(lambda unit: self._look_at_entries(unit, frame, guard)) == ENTRIES:
            pass

    def write(self, frame: Frame, desk: Desk, guard: Callable[[Unit], None], alive: Callable[[], None]) -> int:
        """Write what waits; how many were written. Raises DeskUnavailable."""
        written = 0
        now = self._clock()
        for note in self._records.read(lambda unit: unit.source_notes.waiting(frame.name, now, limit=AT_ONCE)):
            alive()
            ready = self._records.write(partial(self._prepare, guard=guard, note=note))
            if ready is None:
                continue
            note_id, failed = self._try(desk, note, *ready)
            if failed:
                self._records.write(partial(self._put_off, guard=guard, note=note))
                continue
            self._records.write(partial(self._done, guard=guard, note=note, note_id=note_id))
            written += note_id is not None
        return written

    def _add(self, unit: Unit, connector: str, ticket_id: TicketId, marker: str, *, public: bool) -> bool:
        now = self._clock()
        return unit.source_notes.add(NoteRow(ticket_id, marker, connector, public, None, created_at=now, next_at=now))

    def _look_at_entries(self, unit: Unit, frame: Frame, guard: Callable[[Unit], None]) -> int:
        guard(unit)
        row = unit.connectors.get(frame.name)
        if row is None:
            return 0
        size = unit.journal.size()
        start = min(row.journal_index, size)
        entries = unit.journal.entries(start, ENTRIES) if frame.notes else ()
        first: dict[TicketId, int] = {}
        for entry in entries:
            if entry.kind == EventKind.UPLOAD_FINISHED:
                facts = json.loads(entry.body)["facts"]
                if facts.get("link") and facts.get("ticket"):
                    first.setdefault(TicketId(facts["ticket"]), entry.index)
        for ticket_id, index in first.items():
            ticket = unit.tickets.by_id(ticket_id, EVERYTHING)
            if ticket is not None and ticket.connector == frame.name and ticket.source_id and ticket.erased_at is None:
                self._add(unit, frame.name, ticket_id, f"bilaga-files-{index}", public=False)
        after = entries[-1].index + 1 if entries else (start if frame.notes else size)
        if after != row.journal_index:
            unit.connectors.put(replace(row, journal_index=after))
        return len(entries)

    def _prepare(self, unit: Unit, guard: Callable[[Unit], None], note: NoteRow) -> tuple[str, Message] | None:
        """On which ticket a note is to be written, and what; None where there is nothing to write on any more."""
        guard(unit)
        ticket = unit.tickets.by_id(note.ticket_id, EVERYTHING)
        whole = ticket
        if ticket is not None and ticket.merged_into is not None:
            whole = unit.tickets.by_id(ticket.merged_into, EVERYTHING)
        there = whole is not None and whole.standing is Standing.PRESENT and whole.source_id is not None
        if ticket is None or whole is None or ticket.erased_at is not None or not there:
            unit.source_notes.written(note, note_id=None, at=self._clock())
            return None
        if note.marker != WELCOME_MARKER:
            address = self._writing.ticket_address(unit, ticket.ref)
            return whole.source_id or "", _message(note, ARRIVED[self._writing.language], address)
        known = unit.source_notes.get(note.ticket_id, note.marker)
        sealed = note.sealed if known is None else known.sealed
        address = (None if sealed is None else self._keys.open_text(unit, ticket.id, TICKET, _LABEL, sealed)) or ""
        if not address:
            try:
                address = self._writing.upload_link(unit, ticket.ref)
            except (NotFound, Gone):
                unit.source_notes.written(note, note_id=None, at=self._clock())
                return None
            unit.source_notes.seal(note, self._keys.seal_text(unit, ticket.id, TICKET, _LABEL, address))
        return whole.source_id or "", _message(note, WELCOME[self._writing.language], address)

    def _try(self, desk: Desk, note: NoteRow, source_id: str, message: Message) -> tuple[str | None, bool]:
        try:
            return desk.write(source_id, message), False
        except NotFound:
            return None, False
        except DeskRefused as error:
            log.warning("note not written", extra={"ticket_id": note.ticket_id, "code": error.code})
            return None, note.attempts + 1 < ATTEMPTS

    def _done(self, unit: Unit, guard: Callable[[Unit], None], note: NoteRow, note_id: str | None) -> None:
        guard(unit)
        unit.source_notes.written(note, note_id=note_id, at=self._clock())

    def _put_off(self, unit: Unit, guard: Callable[[Unit], None], note: NoteRow) -> None:
        guard(unit)
        unit.source_notes.put_off(note, next_at=self._clock() + FIRST_PAUSE * 2 ** min(note.attempts, 9))


def _message(note: NoteRow, words: str, address: str) -> Message:
    html = f'<div><p>{escape(words)}</p><p><a href="{escape(address)}">{escape(address)}</a></p>'
    return Message(
        marker=note.marker,
        html=f"{html}<p><small>{escape(note.marker)}</small></p></div>",
        text=f"{words}\n{address}\n{note.marker}",
        public=note.public,
    )
