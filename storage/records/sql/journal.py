"""The audit log's entries and checkpoints in SQL: append only, index by index (S-87…S-89)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select, update

from domain.errors import StateConflict
from storage.records.ports.journal import Checkpoint, JournalEntry, JournalFilter
from storage.records.schema.journal import journal_checkpoints, journal_entries
from storage.records.sql.rows import columns_of, values_of
from storage.records.sql.upsert import Upsert

_COLUMNS = ("position", "body", "leaf", "at", "kind", "subject", "principal_id")
_next = select(func.coalesce(func.max(journal_entries.c.position) + 1, 0))
_SIZE = _next
# Whoever comes second to an index adds nothing: by the condition, or by the key where both looked at the same time.
_APPEND = Upsert(
    journal_entries,
    lambda insert: (
        insert.from_select(
            list(_COLUMNS),
            select(*(bindparam(f"new_{name}", type_=journal_entries.c[name].type) for name in _COLUMNS)).where(
                bindparam("new_position", type_=journal_entries.c.position.type) == _next.scalar_subquery()
            ),
        )
        .on_conflict_do_nothing(index_elements=[journal_entries.c.position])
        .returning(journal_entries.c.position)
    ),
)
_entries = select(*(journal_entries.c[name] for name in _COLUMNS)).limit(bindparam("how_many"))
_FROM = _entries.where(journal_entries.c.position >= bindparam("start")).order_by(journal_entries.c.position)
_CONDITIONS: dict[str, ColumnElement[bool]] = {
    "kind": journal_entries.c.kind == bindparam("kind"),
    "subject": journal_entries.c.subject == bindparam("subject"),
    "principal_id": journal_entries.c.principal_id == bindparam("principal_id"),
    "since": journal_entries.c.at >= bindparam("since"),
    "until": journal_entries.c.at < bindparam("until"),
    "before": journal_entries.c.position < bindparam("before"),
}

_checkpoints = select(*columns_of(journal_checkpoints, Checkpoint))
_ADD_CHECKPOINT = Upsert(
    journal_checkpoints,
    lambda insert: insert.on_conflict_do_nothing(index_elements=[journal_checkpoints.c.size]).returning(
        journal_checkpoints.c.size
    ),
)
_ROOT = select(journal_checkpoints.c.root).where(journal_checkpoints.c.size == bindparam("the_size"))
_LAST = _checkpoints.order_by(journal_checkpoints.c.size.desc()).limit(1)
_CHECKPOINTS = (
    _checkpoints.where(journal_checkpoints.c.size >= bindparam("start"))
    .order_by(journal_checkpoints.c.size)
    .limit(bindparam("how_many"))
)
_MARK_EXPORTED = (
    update(journal_checkpoints)
    .where(journal_checkpoints.c.size == bindparam("the_size"), journal_checkpoints.c.exported_at.is_(None))
    .values(exported_at=bindparam("now"))
)


@lru_cache(maxsize=64)
def _find(narrowed_by: tuple[str, ...]) -> Select[Any]:
    """The query for one shape of filter, built once."""
    return _entries.where(*(_CONDITIONS[name] for name in narrowed_by)).order_by(journal_entries.c.position.desc())


class SqlJournal:
    """``ports.journal.Journal``. A writer is alone from its beginning to its end, whatever the database: what was the
    next index stays it until this transaction appends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._next: int | None = None

    def size(self) -> int:
        if self._next is None:
            self._next = int(self._connection.execute(_SIZE).scalar_one())
        return self._next

    def append(self, entry: JournalEntry) -> None:
        values = values_of(entry, without=("index",))
        parameters = {f"new_{name}": value for name, value in values.items()}
        appended = _APPEND.execute(self._connection, {**parameters, "new_position": entry.index})
        if appended.one_or_none() is None:
            raise StateConflict("The journal has no such next index.")
        self._next = entry.index + 1

    def entries(self, start: int, limit: int) -> Sequence[JournalEntry]:
        rows = self._connection.execute(_FROM, {"start": start, "how_many": limit})
        return [JournalEntry(*row) for row in rows]

    def find(self, what: JournalFilter, *, before: int | None, limit: int) -> Sequence[JournalEntry]:
        wanted = {**values_of(what), "before": before}
        values = {name: value for name, value in wanted.items() if value is not None}
        rows = self._connection.execute(_find(tuple(values)), {**values, "how_many": limit})
        return [JournalEntry(*row) for row in rows]

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        if _ADD_CHECKPOINT.execute(self._connection, values_of(checkpoint)).one_or_none() is not None:
            return
        if self._connection.execute(_ROOT, {"the_size": checkpoint.size}).scalar_one() != checkpoint.root:
            raise StateConflict("A checkpoint of this size has another root.")

    def last_checkpoint(self) -> Checkpoint | None:
        row = self._connection.execute(_LAST).one_or_none()
        return None if row is None else Checkpoint(*row)

    def checkpoints(self, start_size: int, limit: int) -> Sequence[Checkpoint]:
        rows = self._connection.execute(_CHECKPOINTS, {"start": start_size, "how_many": limit})
        return [Checkpoint(*row) for row in rows]

    def mark_exported(self, size: int, *, at: datetime) -> None:
        self._connection.execute(_MARK_EXPORTED, {"the_size": size, "now": at})
