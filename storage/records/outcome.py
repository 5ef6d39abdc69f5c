"""What became of a COMMIT that nobody answered (S-16): PostgreSQL remembers how every transaction ended.

A transaction's number means nothing on a server that was promoted meanwhile: it may be given out there again. So the
timeline goes with it, and where that is another one now, nobody knows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from storage.records.postgres_engine import alone

RESOLVE_SECONDS = 20.0
"""How long to ask: longer than a server takes to notice that we are gone (``IDLE_SECONDS``)."""
_PAUSE = 0.05
_LONGEST_PAUSE = 0.5

_TIMELINE = "left(pg_walfile_name(pg_current_wal_lsn()), 8)"
_MARK = f"SELECT pg_current_xact_id()::text, {_TIMELINE}"


@dataclass(frozen=True, slots=True)
class Mark:
    """A transaction: its number, and the timeline of the server that gave it."""

    number: int
    timeline: str


def mark(connection: Connection) -> Mark:
    """The mark of the transaction that runs on a connection: to be taken before its COMMIT is sent."""
    number, timeline = connection.exec_driver_sql(_MARK).one()
    return Mark(int(number), timeline)


def committed(engine: Engine, sought: Mark, *, patience: float = RESOLVE_SECONDS) -> bool | None:
    """Whether a transaction was committed; None where nobody could tell within ``patience`` seconds."""
    deadline = time.monotonic() + patience
    pause = _PAUSE
    while True:
        try:
            row = alone(engine, f"SELECT pg_xact_status('{sought.number}'::xid8), {_TIMELINE}")
        except OperationalError:
            row = None  # it is down, or starts
        except DBAPIError:
            return None  # a number of the future, or a standby: another server than the one we spoke to
        if row is not None:
            status, timeline = row
            if timeline != sought.timeline:
                return None
            # While it waits for a standby, or for a COMMIT that never comes, it is in progress.
            if status in {"committed", "aborted"}:
                return bool(status == "committed")
            if status is None:
                return None
        if time.monotonic() > deadline:
            return None
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
