"""Rows as they lie, in SQL: the schema's tables with the database's own types, so that nothing is read into a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Delete,
    Select,
    String,
    TableClause,
    Update,
    bindparam,
    collate,
    column,
    delete,
    func,
    insert,
    select,
    table,
    tuple_,
    update,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from storage.records.ports.tables import Row, Table, Value
from storage.records.schema import access, connectors, core, jobs, journal, keys, links, mail, policies, uploads
from storage.records.schema.metadata import METADATA
from storage.records.schema.types import Id

# The tables are on METADATA once their modules are imported.
_SUBJECTS = (access, connectors, core, jobs, journal, keys, links, mail, policies, uploads)
_KEPT = {
    journal.journal_entries.name: frozenset(journal.journal_entries.c.keys()),
    journal.journal_checkpoints.name: frozenset(journal.journal_checkpoints.c.keys()) - {"exported_at"},
}


class SqlTables:
    """``ports.tables.Tables``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> Sequence[Table]:
        return _all()

    def page(self, table: Table, *, after: Row | None, limit: int) -> Sequence[Row]:
        values: dict[str, Any] = {"how_many": limit, **_named(after or ())}
        statement = _page(table.name, self._connection.dialect.name, after=after is not None)
        return [tuple(row) for row in self._connection.execute(statement, values)]

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            statement = insert(_bare(table.name))
            self._connection.execute(statement, [dict(zip(table.columns, row, strict=True)) for row in rows])

    def change(self, table: Table, key: Row, values: Mapping[str, Value]) -> None:
        self._connection.execute(_update(table.name).values(**values), _named(key))

    def delete(self, table: Table, keys: Sequence[Row]) -> None:
        if keys:
            self._connection.execute(_delete(table.name), [_named(key) for key in keys])

    def renumber(self, table: Table) -> None:
        # SQLite goes on behind the largest number by itself.
        numbered = METADATA.tables[table.name].autoincrement_column
        if numbered is None or self._connection.dialect.name == "sqlite":
            return
        last = select(func.max(column(numbered.name))).select_from(_bare(table.name)).scalar_subquery()
        sequence = func.pg_get_serial_sequence(table.name, numbered.name)
        self._connection.execute(select(func.setval(sequence, last)).where(sequence.is_not(None), last.is_not(None)))


@cache
def _all() -> tuple[Table, ...]:
    return tuple(
        Table(one.name, tuple(_bare(one.name).c.keys()), len(one.primary_key.columns), _KEPT.get(one.name, frozenset()))
        for one in METADATA.sorted_tables
    )


@cache
def _bare(name: str) -> TableClause:
    """The table with its key first, and with plain types."""
    schema = METADATA.tables[name]
    key = list(schema.primary_key.columns)
    others = [one for one in schema.columns if one not in key]
    return table(name, *(column(one.name, _plain(one)) for one in (*key, *others)))


def _plain(one: Column[Any]) -> TypeEngine[Any]:
    kind: TypeEngine[Any] = one.type
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind


def _key(name: str) -> list[ColumnElement[Any]]:
    return [_bare(name).c[one.name] for one in METADATA.tables[name].primary_key.columns]


def _ordered(name: str, dialect: str) -> list[ColumnElement[Any]]:
    """The key so that it is ordered as Python does it. Ids are of a shape that every language orders alike."""
    foreign = dialect == "postgresql"
    return [
        collate(one, "C") if foreign and isinstance(one.type, String) and one.type is not Id else one
        for one in _key(name)
    ]


def _named(key: Row) -> dict[str, Value]:
    return {f"key_{place}": value for place, value in enumerate(key)}


@cache
def _page(name: str, dialect: str, *, after: bool) -> Select[Any]:
    ordered = _ordered(name, dialect)
    statement = select(*_bare(name).c).order_by(*ordered).limit(bindparam("how_many"))
    if not after:
        return statement
    given = [bindparam(f"key_{place}", type_=one.type) for place, one in enumerate(_key(name))]
    if len(ordered) == 1:
        return statement.where(ordered[0] > given[0])
    return statement.where(tuple_(*ordered) > tuple_(*given))


def _matching(name: str) -> list[ColumnElement[bool]]:
    return [one == bindparam(f"key_{place}", type_=one.type) for place, one in enumerate(_key(name))]


@cache
def _update(name: str) -> Update:
    return update(_bare(name)).where(*_matching(name))


@cache
def _delete(name: str) -> Delete:
    return delete(_bare(name)).where(*_matching(name))
