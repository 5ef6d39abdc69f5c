"""What a site keeps, looked at from beside it: every row of every table, every blob, and every byte."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from storage.records.sqlite import DATABASE

# The log grows by refusals; leases, marks and the clock of sessions move by themselves; and how often a key has wrapped
# is counted up also where the wrapped key is thrown away, since that is what bounds its use (S-35).
MOVING = frozenset({"journal_entries", "journal_checkpoints", "leases", "site", "generation_uses", "alembic_version"})


def rows(data: Path, *, but: frozenset[str] = frozenset()) -> dict[str, list[Any]]:
    """All rows of all tables but those that move by themselves."""
    with closing(sqlite3.connect(f"file:{data / DATABASE}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            table: sorted(map(repr, connection.execute(f"SELECT * FROM {table}")))
            for table in tables
            if table not in MOVING | but and not table.startswith("sqlite_")
        }


def blobs(data: Path) -> dict[str, int]:
    """All files of the store, finished or not, by name and size."""
    return {str(path.relative_to(data)): path.stat().st_size for path in (data / "blobs").rglob("*") if path.is_file()}


def kept(data: Path, *, but: frozenset[str] = frozenset()) -> dict[str, Any]:
    """All that a refused request must leave as it was (S-3)."""
    return {**rows(data, but=but), "blobs": blobs(data)}


def found(folder: Path, needles: dict[str, bytes]) -> dict[str, str]:
    """Which needles stand in which file of a folder, database, write-ahead log and all: label to file."""
    seen = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            seen.update({label: path.name for label, needle in needles.items() if needle in content})
    return seen
