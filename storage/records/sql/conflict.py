"""Inserts that may meet a row which is there already."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError

from domain.errors import StateConflict

_DUPLICATES = frozenset({"SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE"})


def insert_new(connection: Connection, statement: Insert, values: Mapping[str, Any]) -> None:
    """Insert one row. Raises StateConflict where a unique key is taken; the transaction can go on after that.

    A foreign key or a check that is broken is a bug, and stays what it is.
    """
    if connection.dialect.name == "postgresql":
        # There an error would give the whole transaction up, and a savepoint costs two round trips more.
        if connection.execute(_unless_taken(statement.table), values).one_or_none() is None:
            raise StateConflict
        return
    try:
        connection.execute(statement, values)  # in SQLite a statement that fails undoes only itself
    except IntegrityError as error:
        if getattr(error.orig, "sqlite_errorname", None) not in _DUPLICATES:
            raise
        raise StateConflict from error


@cache
def _unless_taken(table: Table) -> Insert:
    return postgresql.insert(table).on_conflict_do_nothing().returning(*table.primary_key)
