"""What is written on tickets in their systems, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, null, select, update

from domain.ids import TicketId
from storage.records.ports.connectors import NoteRow
from storage.records.schema.connectors import source_notes
from storage.records.sql.rows import columns_of, values_of
from storage.records.sql.upsert import Upsert

_ADD = Upsert(
    source_notes,
    lambda insert: insert.on_conflict_do_nothing().returning(source_notes.c.marker),
)
_SELECT = select(*columns_of(source_notes, NoteRow))
_this = (source_notes.c.ticket_id == bindparam("the_ticket_id"), source_notes.c.marker == bindparam("the_marker"))
_GET = _SELECT.where(*_this)
_waits = (source_notes.c.connector == bindparam("the_connector"), source_notes.c.written_at.is_(None))
_WAITING = (
    _SELECT.where(*_waits, source_notes.c.next_at <= bindparam("now"))
    .order_by(source_notes.c.next_at, source_notes.c.ticket_id, source_notes.c.marker)
    .limit(bindparam("limit"))
)
_COUNT = select(func.count()).select_from(source_notes).where(*_waits)
_WRITTEN = (
    update(source_notes)
    .where(*_this)
    .values(sealed=null(), note_id=bindparam("new_note_id"), written_at=bindparam("new_written_at"))
)
_SEAL = update(source_notes).where(*_this).values(sealed=bindparam("new_sealed"))
_PUT_OFF = (
    update(source_notes)
    .where(*_this, source_notes.c.written_at.is_(None))
    .values(attempts=source_notes.c.attempts + 1, next_at=bindparam("new_next_at"))
)


class SqlSourceNotes:
    """``ports.connectors.SourceNotes``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, note: NoteRow) -> bool:
        return _ADD.execute(self._connection, values_of(note)).one_or_none() is not None

    def get(self, ticket_id: TicketId, marker: str) -> NoteRow | None:
        values = {"the_ticket_id": ticket_id, "the_marker": marker}
        row = self._connection.execute(_GET, values).one_or_none()
        return None if row is None else NoteRow(*row)

    def waiting(self, connector: str, now: datetime, *, limit: int) -> Sequence[NoteRow]:
        values = {"the_connector": connector, "now": now, "limit": limit}
        return [NoteRow(*row) for row in self._connection.execute(_WAITING, values)]

    def count(self, connector: str) -> int:
        return int(self._connection.execute(_COUNT, {"the_connector": connector}).scalar_one())

    def seal(self, note: NoteRow, sealed: bytes) -> None:
        self._connection.execute(_SEAL, {**_named(note), "new_sealed": sealed})

    def written(self, note: NoteRow, *, note_id: str | None, at: datetime) -> None:
        self._connection.execute(_WRITTEN, {**_named(note), "new_note_id": note_id, "new_written_at": at})

    def put_off(self, note: NoteRow, *, next_at: datetime) -> None:
        self._connection.execute(_PUT_OFF, {**_named(note), "new_next_at": next_at})


def _named(note: NoteRow) -> dict[str, object]:
    return {"the_ticket_id": note.ticket_id, "the_marker": note.marker}
