"""The store of rows as they lie, without their meaning: for moving a site to another database, and for that alone.

What every other store promises of rows (states, counts, entries of the audit log) is not looked at here: whoever writes
here writes what another database of ours held, to the last byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Value = int | str | bytes | None
Row = tuple[Value, ...]
"""A row's values in the order of its table's columns."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns, of which the first ``key_length`` are its primary key. ``kept``: columns that the database
    itself never lets anybody change, in rows it never lets anybody delete (S-87)."""

    name: str
    columns: tuple[str, ...]
    key_length: int
    kept: frozenset[str] = frozenset()

    def key_of(self, row: Row) -> Row:
        """A row's primary key."""
        return row[: self.key_length]


class Tables(Protocol):
    """Every table there is. Keys are ordered as Python orders them, whatever the database's language."""

    def all(self) -> Sequence[Table]:
        """The tables, each behind those that its rows point to."""
        ...

    def page(self, table: Table, *, after: Row | None, limit: int) -> Sequence[Row]:
        """Rows by key, beginning after a key."""
        ...

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Write rows that are not there yet; those of the audit log in order and without a gap."""
        ...

    def change(self, table: Table, key: Row, values: Mapping[str, Value]) -> None:
        """Set columns of a row that is there."""
        ...

    def delete(self, table: Table, keys: Sequence[Row]) -> None:
        """Delete rows."""
        ...

    def renumber(self, table: Table) -> None:
        """Where the database numbers a table's rows by itself, let it go on behind the last one."""
        ...
