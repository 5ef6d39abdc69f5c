"""What became of a COMMIT that nobody answered (S-16): each leaves a mark, which is there if and only if it happened.

PostgreSQL's own memory (``pg_xact_status``) does not do: after a crash it gives a transaction's number once more, where
nothing of that transaction had reached the disk, and so does a standby that was promoted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

RESOLVE_SECONDS = 20.0
"""How long to ask: longer than a server takes to notice that we are gone (``postgres_engine.IDLE_SECONDS``)."""
SWEEP = "DELETE FROM commits WHERE at < now() - interval '1 day'"
"""Writers that have not written for so long have died, or have nothing to ask."""

_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_LEAVE = (
    "INSERT INTO commits (writer, number) VALUES (%(writer)s, %(number)s) "
    "ON CONFLICT (writer) DO UPDATE SET number = excluded.number, at = now()"
)
_LAST = "SELECT number FROM commits WHERE writer = %(writer)s"


@dataclass(frozen=True, slots=True)
class Mark:
    """A transaction: which of its writer's it is. A writer has one at a time, and its last mark alone is kept."""

    writer: str
    number: int


def leave(connection: Connection, mark: Mark) -> None:
    """Leave a mark in the transaction that runs on a connection."""
    connection.exec_driver_sql(_LEAVE, {"writer": mark.writer, "number": mark.number})


def committed(engine: Engine, mark: Mark, *, patience: float = RESOLVE_SECONDS) -> bool | None:
    """Whether the transaction that left a mark was committed; None where nobody could tell in time.

    ``engine`` begins with a turn: whoever has it knows that the transaction in question, which had it, has ended.
    """
    deadline = time.monotonic() + patience
    pause = _PAUSE
    while True:
        try:
            with engine.begin() as connection:
                last = connection.exec_driver_sql(_LAST, {"writer": mark.writer}).scalar_one_or_none()
            return bool(last == mark.number)
        except DBAPIError:  # it is down, starts, or still waits: for a standby, for a COMMIT that never comes
            if time.monotonic() > deadline:
                return None
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
