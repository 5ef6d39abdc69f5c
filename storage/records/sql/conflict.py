"""Inserts that may meet a row which is there already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Insert
from sqlalchemy.exc import IntegrityError

from domain.errors import StateConflict

_SQLITE_DUPLICATES = frozenset({"SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE"})
_POSTGRESQL_DUPLICATE = "23505"  # unique_violation


def is_duplicate(error: IntegrityError) -> bool:
    """Whether a unique key was hit, and not a foreign key or a check (those are bugs, and stay what they are)."""
    return (
        getattr(error.orig, "sqlite_errorname", None) in _SQLITE_DUPLICATES
        or getattr(error.orig, "sqlstate", None) == _POSTGRESQL_DUPLICATE
    )


def insert_new(connection: Connection, statement: Insert, values: Mapping[str, Any]) -> None:
    """Insert one row. Raises StateConflict where a unique key is taken; the transaction can go on after that."""
    try:
        if connection.dialect.name == "sqlite":
            connection.execute(statement, values)  # a statement that fails undoes only itself
        else:
            with connection.begin_nested():  # PostgreSQL gives the whole transaction up without this
                connection.execute(statement, values)
    except IntegrityError as error:
        if is_duplicate(error):
            raise StateConflict from error
        raise
