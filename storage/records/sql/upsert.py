"""``INSERT … ON CONFLICT``: SQLite and PostgreSQL say it in the same words, SQLAlchemy builds it apart for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite


class Upsert:
    """One statement for both dialects, built once. ``build`` gets the table's insert and adds what a conflict does."""

    def __init__(self, table: Table, build: Callable[[sqlite.Insert], Executable]) -> None:
        self._statements = {
            "sqlite": build(sqlite.insert(table)),
            "postgresql": build(cast("sqlite.Insert", postgresql.insert(table))),
        }

    def execute(self, connection: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        """Run it. Whether a row came of it, its RETURNING says: an insert's ``rowcount`` not every driver gives."""
        return connection.execute(self._statements[connection.dialect.name], values)
