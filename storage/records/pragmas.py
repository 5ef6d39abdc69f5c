"""How every connection to SQLite is set, and the proof that it is (S-14): the settings are read back."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from domain.errors import Misconfigured

STATEMENT_SECONDS = 60.0
"""No statement may run longer (S-81). Counting a million rows takes 2 s."""
_STEPS = 200_000  # of SQLite's machine between two looks at the clock, about 5 ms

KEPT_WAL = 4 * 1024 * 1024
"""A WAL that is begun anew is cut to this length; the room up to there is overwritten."""

# Free pages would hold wrapped keys that were destroyed (S-39), so deleted rows are overwritten; the WAL's old frames
# are cut off by ``Checkpointer.tidy``.
_EXPECTED: Mapping[str, int | str] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: the WAL is synced at every commit (S-5)
    "foreign_keys": 1,
    "secure_delete": 1,
    "temp_store": 2,  # MEMORY: sorting leaves no plaintext beside the database
    "wal_autocheckpoint": 0,  # see `checkpoint`
    "journal_size_limit": KEPT_WAL,
    "trusted_schema": 0,
    "cell_size_check": 1,
}


def engine(
    path: Path, *, writing: bool, connections: int, busy_seconds: float, patience: float = STATEMENT_SECONDS
) -> Engine:
    """An engine on the file: one that writes begins with the write lock in hand, one that reads cannot write at all.

    A transaction that reads first and takes the lock later fails with "database is locked" wherever another wrote in
    between, whatever the busy time-out.
    """
    made = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": busy_seconds, "isolation_level": None, "check_same_thread": False},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=busy_seconds,
        hide_parameters=True,
    )
    begin = "BEGIN IMMEDIATE" if writing else "BEGIN"

    @event.listens_for(made, "connect")
    def _connect(driver: sqlite3.Connection, record: Any) -> None:
        apply(driver, writing=writing)
        record.info["deadline"] = deadline = _Deadline(patience)
        driver.set_progress_handler(deadline, _STEPS)

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    @event.listens_for(made, "before_cursor_execute")
    def _start(connection: Connection, *_: Any) -> None:
        connection.info["deadline"].start()

    return made


def apply(driver: sqlite3.Connection, *, writing: bool) -> None:
    """Set a new connection."""
    for name, value in _EXPECTED.items():
        driver.execute(f"PRAGMA {name}={value}")
    if not writing:
        driver.execute("PRAGMA query_only=ON")


def check(driver: sqlite3.Connection, *, writing: bool) -> None:
    """Read the settings back. Raises Misconfigured, naming the first that is not what it must be."""
    found = {name: driver.execute(f"PRAGMA {name}").fetchone() for name in (*_EXPECTED, "query_only", "busy_timeout")}
    compare({name: row[0] if row else None for name, row in found.items()}, writing=writing)


def compare(found: Mapping[str, int | str | None], *, writing: bool) -> None:
    """Raises Misconfigured where a setting is not as it must be."""
    for name, value in {**_EXPECTED, "query_only": 0 if writing else 1}.items():
        if found.get(name) != value:
            raise Misconfigured(
                f"SQLite does not take {name}={value}, it stays at {found.get(name)}.", field="database_url"
            )
    if not found.get("busy_timeout"):
        raise Misconfigured("SQLite has no busy time-out.", field="database_url")


class _Deadline:
    """SQLite asks it every now and then whether the statement should stop."""

    __slots__ = ("_at", "_patience")

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._at = 0.0

    def start(self) -> None:
        self._at = time.monotonic() + self._patience

    def __call__(self) -> bool:
        return time.monotonic() > self._at
