"""The one place where the database's errors become ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.errors import RecordsUnavailable, StorageFull, Unavailable

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


def translated(error: BaseException) -> BaseException:
    """Ours for a driver's error, a new one at each call and with the driver's as its cause; any other error itself."""
    ours: Unavailable | None = None
    if isinstance(error, PoolTimeoutError):
        ours = RecordsUnavailable("The database is too busy right now.")
    elif isinstance(error, DBAPIError | sqlite3.Error):
        ours = _of_sqlite(error.orig if isinstance(error, DBAPIError) else error)
    if ours is None:
        return error
    ours.__cause__ = error
    return ours


@contextmanager
def translating() -> Iterator[None]:
    """Around every call of the driver at the engine's border."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        ours = translated(error)
        if ours is error:
            raise
        raise ours from error


def _of_sqlite(error: BaseException | None) -> Unavailable | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return StorageFull()
    return RecordsUnavailable() if primary in _NOT_NOW else None
