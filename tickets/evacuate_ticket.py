"""One ticket's files, brought home: what an earlier run had begun is ended first, in the order it was to be done.

What makes it safe to be killed anywhere: a file is marked ``kept`` in the very transaction of its receipt; a note is
told by a marker of exactly the files that were kept and not noted, and no file is kept between a note and its mark; a
deletion is asked for only of what was noted and of which row and store still say that we have it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from domain.actor import SYSTEM
from domain.clock import Clock
from domain.errors import (
    BilagaError,
    DeskRefused,
    DeskUnavailable,
    Gone,
    IncompleteBody,
    Infected,
    NotFound,
    StateConflict,
    Unavailable,
)
from domain.event import Event, EventKind
from domain.ids import TicketId
from domain.source import SourceFileRow, SourceFileState
from storage.records import Unit
from tickets.desk import Desk, SourceFile, SourceTicket, Standing
from tickets.evacuate_note import infected_note, moved_note
from tickets.evacuated import AFTER_ITS_NOTE, COMES_BACK, Brought, Errand, EvacuationReport, Kept, Left, Proof

log = logging.getLogger(__name__)
TRIES = 3
"""How often an address is asked for anew before a file counts as one that cannot be read."""
FRESH_FOR = timedelta(seconds=60)
"""How old an address may be when its file is fetched."""
PUT_OFF = timedelta(minutes=1)
MOST_PUT_OFF = timedelta(hours=6)
MOST_ATTEMPTS = 8
"""So often a file that cannot be fetched is tried, over some hours, before it is left."""
_S = SourceFileState
OPEN = (_S.SEEN, _S.KEPT, _S.NOTED)
"""On their way."""


class Enough(Exception):
    """Whoever runs it wants it to stop here."""


class _Larger(Exception):
    """More came than was announced."""


class _NotTaken(Exception):
    """The row is not to be kept any more; nothing is."""


class TicketEvacuation:
    """Brings tickets' files home, for one run. ``guard`` raises where the run has lost its lease; ``alive`` is called
    between two steps."""

    def __init__(
        self,
        errand: Errand,
        report: EvacuationReport,
        *,
        guard: Callable[[Unit], None],
        alive: Callable[[], None],
        again: bool,
    ) -> None:
        self._records = errand.records
        self._log = errand.log
        self._clock = errand.clock
        self._connector = errand.connector
        self._desk = errand.desk
        self._vault = errand.vault
        self._delete = errand.delete
        self._steps = errand.steps
        self._language = errand.language
        self._report = report
        self._guard = guard
        self._alive = alive
        self._again = again

    def ticket(self, source: SourceTicket) -> None:
        """All of a ticket's files, as far as they go today. Raises Unavailable (nothing is lost by it), BilagaError."""
        self._report.tickets += 1
        ours = self._records.read(lambda unit: unit.tickets.by_source(self._connector, source.id))
        if source.standing is not Standing.PRESENT:
            self.leave_open(None if ours is None else ours.id, source.id, Left.TICKET_AWAY)
            return
        files = _Listing(self._desk, source.id, self._clock)
        begun = ours is not None and any(self._rows(ours.id, state) for state in OPEN)
        if not files.all() and not begun:
            return
        ticket_id = self._vault.bind(source)
        self._take_up(files, ticket_id)
        self._note(files, ticket_id)
        for row in self._rows(ticket_id, _S.SEEN):
            self._alive()
            self._keep(files, row)
        self._note(files, ticket_id)
        if self._delete:
            for row in self._rows(ticket_id, _S.NOTED):
                self._alive()
                self._remove(files, row)
        self._put_off_open(ticket_id)

    def _rows(self, ticket_id: TicketId, state: SourceFileState) -> Sequence[SourceFileRow]:
        rows = self._records.read(lambda unit: unit.source_files.of_ticket(ticket_id))
        return [row for row in rows if row.connector == self._connector and row.state is state]

    def _take_up(self, files: _Listing, ticket_id: TicketId) -> None:
        """Write down what is listed, and where it is now; what was to be fetched and is listed no more is named."""
        now = self._clock()

        def work(unit: Unit) -> int:
            self._guard(unit)
            found = 0
            for file in files.all():
                known = unit.source_files.get(self._connector, file.id)
                row = self._listed(file, known, ticket_id)
                found += known is None
                if row != known:
                    unit.source_files.put(replace(row, next_at=now, updated_at=now))
            for row in unit.source_files.of_ticket(ticket_id):
                listed = files.find(row.source_id) is not None
                if row.connector == self._connector and row.state is _S.SEEN and not listed:
                    self._put_left(unit, row, Left.VANISHED)
            return found

        self._report.seen += self._records.write(work)
        self._steps("evacuation-seen")

    def _listed(self, file: SourceFile, known: SourceFileRow | None, ticket_id: TicketId) -> SourceFileRow:
        """The row of a file that is there. By a merge it may hang on another ticket than it did."""
        now = self._clock()
        if known is None:
            return SourceFileRow(
                connector=self._connector,
                source_id=file.id,
                source_ticket_id=file.ticket_id,
                ticket_id=ticket_id,
                part=file.part,
                attachment_id=None,
                state=_S.SEEN,
                reason=None,
                attempts=0,
                next_at=now,
                created_at=now,
                updated_at=now,
            )
        row = replace(known, source_ticket_id=file.ticket_id, ticket_id=ticket_id, part=file.part)
        if row.state in {_S.NOTED, _S.DELETED} and known.source_ticket_id != file.ticket_id:
            return replace(row, state=_S.KEPT, reason=None)  # told of on the ticket that it hung on before
        if row.state is _S.DELETED:  # that one was looked for and gone: this is another by its id
            return replace(row, state=_S.SEEN, attachment_id=None, reason=None)
        if row.state is _S.LEFT and (self._again or row.reason in COMES_BACK):
            state = _S.NOTED if row.reason in AFTER_ITS_NOTE else _S.SEEN if row.attachment_id is None else _S.KEPT
            return replace(row, state=state, reason=None, attempts=0)
        return row

    # -- seen → kept ---------------------------------------------------------------------------------------------------
    def _keep(self, files: _Listing, row: SourceFileRow) -> None:
        reasons = []
        for _ in range(TRIES):
            file = files.fresh(row.source_id)
            if file is None:
                self._leave(row, Left.VANISHED)
                return
            reason = self._try(row, file)
            if reason is None:
                return
            reasons.append(reason)
            # The address may have run out on the way. Where the system itself is down, this says so.
            files.renew()
        if row.attempts + 1 >= MOST_ATTEMPTS or set(reasons) == {Left.TICKET_ERASED}:
            self._leave(row, reasons[-1])

    def _try(self, row: SourceFileRow, file: SourceFile) -> Left | None:
        """Fetch a file, or leave it for good. What went wrong where it may go better with another address."""
        try:
            self._fetch(row, file)
        except (FileNotFoundError, DeskUnavailable, DeskRefused):
            return Left.UNREADABLE
        except (IncompleteBody, StateConflict):
            return Left.INCOMPLETE  # cut short on the way
        except Gone:
            return Left.TICKET_ERASED  # or this upload alone was ended, from outside
        except _NotTaken:
            return None
        except _Larger:
            self._leave(row, Left.LARGER)
        except Infected as refusal:
            self._warn(row, file)
            self._leave(row, refusal.code)
        except Unavailable:
            raise  # ours: the database, the store, the keys, the scanner
        except BilagaError as refusal:
            self._leave(row, refusal.code)
        else:
            self._steps("evacuation-kept")
        return None

    def _fetch(self, row: SourceFileRow, file: SourceFile) -> None:
        def then(unit: Unit, kept: Kept) -> None:
            self._guard(unit)
            now = unit.source_files.get(self._connector, row.source_id)
            if now is None or now.state is not _S.SEEN or now.ticket_id != row.ticket_id:
                raise _NotTaken
            unit.source_files.put(replace(self._stepped(now, _S.KEPT), attachment_id=kept.attachment_id))

        brought = Brought(row.ticket_id, self._connector, _shown(file), file.size)
        with self._desk.read(file) as pieces:
            kept = self._vault.keep(brought, self._measured(pieces, file.size), then)
        self._report.kept += 1
        self._report.kept_bytes += kept.size

    def _measured(self, pieces: Iterable[bytes], size: int | None) -> Iterator[bytes]:
        came = 0
        for piece in pieces:
            came += len(piece)
            if size is not None and came > size:
                raise _Larger
            self._alive()
            yield piece
        if size is not None and came < size:
            raise IncompleteBody

    def _warn(self, row: SourceFileRow, file: SourceFile) -> None:
        try:
            self._desk.write(row.source_ticket_id, infected_note(row.source_id, _shown(file), self._language))
        except NotFound:
            return
        self._report.notes += 1

    # -- kept → noted --------------------------------------------------------------------------------------------------
    def _note(self, files: _Listing, ticket_id: TicketId) -> None:
        """Tell of everything that is kept and not told of."""
        rows = self._rows(ticket_id, _S.KEPT)
        told = []
        for row in rows:
            file, attachment_id = files.find(row.source_id), row.attachment_id
            if attachment_id is None:
                continue
            size = self._vault.size_of(attachment_id)
            address = self._vault.address_of(attachment_id)
            told.append((str(attachment_id), _shown(file), address, size))
        if not told:
            return
        self._alive()
        source_ticket_id, ticket_address = files.ticket_id, self._vault.ticket_address(ticket_id)
        self._steps("evacuation-noting")
        try:
            self._desk.write(source_ticket_id, moved_note(told, ticket_address, self._language))
        except NotFound:
            self.leave_open(ticket_id, source_ticket_id, Left.TICKET_GONE)
            return
        self._steps("evacuation-written")
        self._report.notes += 1

        def work(unit: Unit) -> None:
            self._guard(unit)
            for row in rows:
                now = unit.source_files.get(self._connector, row.source_id)
                if now is not None and (now.state, now.attachment_id) == (_S.KEPT, row.attachment_id):
                    unit.source_files.put(self._stepped(now, _S.NOTED))

        self._records.write(work)
        self._steps("evacuation-noted")

    # -- noted → deleted -----------------------------------------------------------------------------------------------
    def _remove(self, files: _Listing, row: SourceFileRow) -> None:
        file = files.find(row.source_id)
        if file is None:
            self._deleted(row)  # by somebody else, or by us before we were killed
            return
        if row.attachment_id is None:
            return
        if file.size is not None and file.size != self._vault.size_of(row.attachment_id):
            self._leave(row, Left.CHANGED)
            return
        proof = self._vault.proven(row.attachment_id)
        if proof is Proof.NOT_YET:
            return
        if proof is not Proof.DURABLE:
            self._leave(row, _UNPROVEN[proof])
            return
        self._steps("evacuation-deleting")
        self._alive()
        deletion = self._desk.delete(file)
        self._steps("evacuation-removed")
        if deletion.gone:
            self._deleted(row)
        else:
            log.warning(
                "file not deletable at its source",
                extra={"connector": self._connector, "source_file": row.source_id, "detail": deletion.reason},
            )
            self._leave(row, Left.NOT_DELETED)

    def _deleted(self, row: SourceFileRow) -> None:
        def work(unit: Unit) -> None:
            self._guard(unit)
            unit.source_files.put(self._stepped(row, _S.DELETED))
            self._log.append(unit, Event(EventKind.FILE_EVACUATED, SYSTEM, row.attachment_id, self._facts(row)))

        self._records.write(work)
        self._report.deleted += 1
        self._steps("evacuation-deleted")

    # -- left ----------------------------------------------------------------------------------------------------------
    def _leave(self, row: SourceFileRow, reason: str) -> None:
        def work(unit: Unit) -> None:
            self._guard(unit)
            self._put_left(unit, row, reason)

        self._records.write(work)
        self._steps("evacuation-left")

    def leave_open(self, ticket_id: TicketId | None, source_ticket_id: str, reason: str) -> None:
        """Leave what is still on its way from a ticket of the system's. ``ticket_id``: ours for it."""
        if ticket_id is None:
            return
        for row in [row for state in OPEN for row in self._rows(ticket_id, state)]:
            if row.source_ticket_id == source_ticket_id:
                self._leave(row, reason)

    def _put_left(self, unit: Unit, row: SourceFileRow, reason: str) -> None:
        unit.source_files.put(replace(self._stepped(row, _S.LEFT), reason=str(reason)))
        facts = {**self._facts(row), "reason": str(reason)}
        self._log.append(unit, Event(EventKind.FILE_LEFT, SYSTEM, row.attachment_id, facts))

    def _put_off_open(self, ticket_id: TicketId) -> None:
        """What is still on its way is not looked at again at once."""
        states = OPEN if self._delete else OPEN[:2]

        def work(unit: Unit) -> None:
            for row in unit.source_files.of_ticket(ticket_id):
                if row.connector == self._connector and row.state in states:
                    self._guard(unit)
                    pause = min(PUT_OFF * 2 ** min(row.attempts, 10), MOST_PUT_OFF)
                    unit.source_files.put(replace(row, attempts=row.attempts + 1, next_at=self._clock() + pause))

        if any(self._rows(ticket_id, state) for state in states):
            self._records.write(work)

    def _stepped(self, row: SourceFileRow, state: SourceFileState) -> SourceFileRow:
        now = self._clock()
        return replace(row, state=state, reason=None, attempts=0, next_at=now, updated_at=now)

    def _facts(self, row: SourceFileRow) -> dict[str, str]:
        return {
            "connector": self._connector,
            "source_file": row.source_id,
            "source_ticket": row.source_ticket_id,
            "ticket": row.ticket_id,
        }


_UNPROVEN = {Proof.LOCKED: Left.LOCKED, Proof.ERASED: Left.ERASED, Proof.DAMAGED: Left.DAMAGED}


class _Listing:
    """A ticket's files as they were listed last."""

    def __init__(self, desk: Desk, ticket_id: str, clock: Clock) -> None:
        self._desk = desk
        self.ticket_id = ticket_id
        self._clock = clock
        self.renew()

    def renew(self) -> None:
        """List them anew: addresses run out."""
        self._files = {one.id: one for one in self._desk.files(self.ticket_id)}
        self._at = self._clock()

    def all(self) -> Sequence[SourceFile]:
        return list(self._files.values())

    def find(self, file_id: str) -> SourceFile | None:
        return self._files.get(file_id)

    def fresh(self, file_id: str) -> SourceFile | None:
        """A file whose address was given just now; None where it is not there any more."""
        if not self._at <= self._clock() < self._at + FRESH_FOR:
            self.renew()
        return self.find(file_id)


def _shown(file: SourceFile | None) -> str:
    """A file's name, where it has one; of one that is listed no more only the link is left."""
    return file.name if file is not None and file.name.strip() else "attachment"
