"""Copying the WAL into the database, by one process of a site and never while anybody commits.

SQLite before 3.51.3 has the WAL-reset bug (https://sqlite.org/wal.html#the_wal_reset_bug): when a checkpoint runs over
a WAL that was copied whole already, and another connection commits at that moment and begins the WAL anew, then the
checkpoint writes a wrong count into the shared index and the new commit never reaches the database. That connection may
be a command's beside the service, so it is not enough that one process alone checkpoints. Hence, whatever SQLite it is:

- no connection checkpoints by itself (``pragmas``: ``wal_autocheckpoint=0``);
- only the process that holds the site's ``SiteLock`` has a ``Checkpointer``, and only its writer's thread calls it;
- it takes SQLite's write lock first, so that no connection of any process can commit meanwhile. That leaves PASSIVE, on
  a second connection: the other modes want that lock themselves and without it turn into a PASSIVE that has none.

What remains is the checkpoint SQLite makes when the last connection of all closes: it holds the exclusive lock.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

from storage.records import pragmas

log = logging.getLogger(__name__)

_HEADER = 32  # bytes at the WAL's beginning; counter and salts in it change whenever it is begun anew
_BEGUN_ANEW = _HEADER + 24 + 65536  # no longer than a header and one frame of the largest page there is

ROWS = 500
"""Changed rows from which the WAL is copied: 500 to 3000 pages, as a row has up to five indexes."""
LONG = 4 * pragmas.KEPT_WAL
"""Length of the WAL from which it is copied whatever the rows: commands beside the service have written to it."""


class Checkpointer:
    """Used by the writer's thread only; ``writer`` is the DBAPI connection of its own, outside of a transaction."""

    def __init__(self, path: Path, *, busy_seconds: float, rows: int = ROWS, long: int = LONG) -> None:
        self._wal = path.with_name(path.name + "-wal")
        self._rows = rows
        self._next_rows = rows
        self._long = self._next_long = long
        self._tidied: tuple[bytes, int] | None = None
        self._driver = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        pragmas.apply(self._driver, writing=True)

    def close(self) -> None:
        self._driver.close()

    def after_commit(self, writer: Any) -> None:
        """Copy what no reader needs any more, if enough was written since the last time.

        The WAL's length says little: its room is used again and again, as overwriting a file and syncing it is up to
        twice as fast as letting it grow.
        """
        size = self._mark()[1]
        if size < self._long:
            self._next_long = self._long
        if writer.total_changes < self._next_rows and size < self._next_long:
            return
        frames, copied = self._copy(writer)
        self._next_rows = writer.total_changes + self._rows
        # While a reader keeps its snapshot the WAL goes on growing; without this every commit would try again.
        self._next_long = size + self._long
        if copied < frames:
            log.debug("records.checkpoint_partial", extra={"frames": frames, "copied": copied})

    def is_tidy(self) -> bool:
        """Whether nothing was committed since ``tidy`` last said True. From any thread."""
        mark = self._mark()
        return not mark[1] or mark == self._tidied

    def tidy(self, writer: Any) -> bool:
        """Copy all of the WAL and begin it anew, so that no older page is left in either file (S-39).

        False where a reader keeps a snapshot that needs the WAL: to be tried again.
        """
        frames, copied = self._copy(writer)
        if copied < frames:
            return False
        # A commit after a whole copy begins the WAL anew and cuts it to the limit, here to one page: the first of the
        # database, which holds no rows. A reader that came in between prevents that, and the commit is appended.
        (mark,) = writer.execute("PRAGMA user_version").fetchone()
        writer.execute("PRAGMA journal_size_limit=0")
        try:
            writer.execute(f"PRAGMA user_version={(mark + 1) % 1000}")
        finally:
            writer.execute(f"PRAGMA journal_size_limit={pragmas.KEPT_WAL}")
        begun = self._mark()
        if begun[1] > _BEGUN_ANEW:
            return False
        self._tidied = begun
        return True

    def _copy(self, writer: Any) -> tuple[int, int]:
        """How many frames the WAL has, and how many of them the database has too now."""
        writer.execute("BEGIN IMMEDIATE")
        try:
            _, frames, copied = self._driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            writer.execute("ROLLBACK")
        return frames, copied

    def _mark(self) -> tuple[bytes, int]:
        try:
            with self._wal.open("rb") as wal:
                return wal.read(_HEADER), self._wal.stat().st_size
        except FileNotFoundError:
            return b"", 0
