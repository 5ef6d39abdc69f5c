from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.errors import NotFound, RecordsUnavailable, StorageFull
from storage.records.translate import translated, translating


def of_sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("text")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_BUSY_SNAPSHOT,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_CORRUPT,
    ],
)
def test_what_may_pass_is_unavailable(code):
    assert isinstance(translated(of_sqlite(code)), RecordsUnavailable)
    wrapped = OperationalError("SELECT 1", {}, of_sqlite(code))
    assert isinstance(translated(wrapped), RecordsUnavailable)
    assert translated(wrapped).__cause__ is wrapped


def test_a_full_disk_is_said_to_be_full():
    assert isinstance(translated(OperationalError("INSERT", {}, of_sqlite(sqlite3.SQLITE_FULL))), StorageFull)


def test_no_free_connection_is_unavailable():
    assert isinstance(translated(PoolTimeoutError()), RecordsUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        NotFound(),
        ValueError("a bug"),
        IntegrityError("INSERT", {}, of_sqlite(sqlite3.SQLITE_CONSTRAINT_CHECK)),
        OperationalError("SELEC 1", {}, of_sqlite(sqlite3.SQLITE_ERROR)),
        OperationalError("UPDATE", {}, of_sqlite(sqlite3.SQLITE_READONLY)),
    ],
)
def test_ours_and_bugs_stay_what_they_are(error):
    assert translated(error) is error
    with pytest.raises(type(error)) as raised, translating():
        raise error
    assert raised.value is error


def test_around_a_call_the_drivers_error_is_the_cause():
    wrapped = OperationalError("SELECT 1", {}, of_sqlite(sqlite3.SQLITE_BUSY))
    with pytest.raises(RecordsUnavailable) as raised, translating():
        raise wrapped
    assert raised.value.__cause__ is wrapped
