"""The one place where the database's errors become ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.errors import BadInput, BilagaError, RecordsUnavailable, StorageFull

# Primary result codes of SQLite that say "not now" or "not here": the same work may succeed later. What is not among
# them (a constraint, a wrong statement, writing in a read) is a bug in this house and stays what it is.
_NOT_NOW = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)

# PostgreSQL's conditions (its manual, appendix A) by their first characters, the longest that fits first.
_POSTGRESQL: tuple[tuple[str, Callable[[], BilagaError]], ...] = (
    ("53100", StorageFull),  # disk full
    ("57014", lambda: RecordsUnavailable("The database took too long.")),
    ("55P03", lambda: RecordsUnavailable("The database is too busy right now.")),
    ("40", lambda: RecordsUnavailable("The database is too busy right now.")),  # after the last try
    ("08", RecordsUnavailable),  # the connection
    ("25P", RecordsUnavailable),  # a transaction that took too long
    ("53", RecordsUnavailable),  # memory, connections
    ("57P", RecordsUnavailable),  # it stops, starts or recovers
    ("58", RecordsUnavailable),  # its system, its files
    ("XX", RecordsUnavailable),  # damage
    # A text or a number that SQLite takes and PostgreSQL cannot keep: NUL, a lone surrogate, more than 32 bits.
    ("22001", lambda: BadInput("A text is too long.")),
    ("22003", lambda: BadInput("A number is too large.")),
    ("22021", lambda: BadInput(_NO_TEXT)),
    ("22P05", lambda: BadInput(_NO_TEXT)),
)
_NO_TEXT = "A text has a character that cannot be kept."


def translated(error: BaseException) -> BaseException:
    """Ours for a driver's error, a new one at each call and with the driver's as its cause; any other error itself."""
    ours: BilagaError | None = None
    if isinstance(error, PoolTimeoutError):
        ours = RecordsUnavailable("The database is too busy right now.")
    elif isinstance(error, sqlite3.Error):
        ours = _of_sqlite(error)
    elif isinstance(error, DBAPIError):
        ours = _of_sqlite(error.orig) if isinstance(error.orig, sqlite3.Error) else _of_postgresql(error)
    elif isinstance(error, UnicodeEncodeError):
        ours = BadInput(_NO_TEXT)
    if ours is None:
        return error
    ours.__cause__ = error
    return ours


@contextmanager
def translating() -> Iterator[None]:
    """Around every call of the driver at the engine's border."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, UnicodeEncodeError) as error:
        ours = translated(error)
        if ours is error:
            raise
        raise ours from error


def _of_sqlite(error: sqlite3.Error) -> BilagaError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return StorageFull()
    return RecordsUnavailable() if primary in _NOT_NOW else None


def _of_postgresql(error: DBAPIError) -> BilagaError | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is None:
        # Not the server's word but the driver's: a value that it cannot write, or a connection that is none.
        if isinstance(error, DataError):
            return BadInput(_NO_TEXT)
        return RecordsUnavailable() if isinstance(error, OperationalError | InterfaceError) else None
    return next((make() for begin, make in _POSTGRESQL if state.startswith(begin)), None)
