"""What a site keeps, looked at from beside it: every row of every table, every blob, and every byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.site import ground

# The log grows by refusals; leases, marks and the clock of sessions move by themselves; how often a key has wrapped is
# counted up also where the wrapped key is thrown away, since that is what bounds its use (S-35); and PostgreSQL keeps
# who committed last (S-16).
MOVING = frozenset(
    {"commits", "generation_uses", "journal_checkpoints", "journal_entries", "leases", "schema_version", "site"}
)


def rows(data: Path, *, but: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """All rows of all tables but those that move by themselves."""
    return {table: rows for table, rows in ground(data).rows().items() if table not in MOVING | but}


def blobs(data: Path) -> dict[str, int]:
    """All of the store, finished or not, by name and size."""
    return ground(data).blobs()


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
