from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.errors import BadInput, NotFound, RecordsUnavailable, StorageFull
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


class Said(Exception):
    """As psycopg's errors: what the server said has a code, what the driver says has none."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("words that may hold a value of a row")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "ours"),
    [
        ("53100", StorageFull),
        ("53200", RecordsUnavailable),
        ("53300", RecordsUnavailable),
        ("40001", RecordsUnavailable),
        ("40P01", RecordsUnavailable),
        ("55P03", RecordsUnavailable),
        ("57014", RecordsUnavailable),
        ("57P01", RecordsUnavailable),
        ("57P02", RecordsUnavailable),
        ("57P03", RecordsUnavailable),
        ("25P03", RecordsUnavailable),
        ("08006", RecordsUnavailable),
        ("58030", RecordsUnavailable),
        ("XX001", RecordsUnavailable),
        ("22001", BadInput),
        ("22003", BadInput),
        ("22021", BadInput),
        (None, RecordsUnavailable),
    ],
)
def test_what_postgresql_says_by_its_codes_has_its_family_and_none_of_its_words(sqlstate, ours):
    error = OperationalError("SELECT 1", {}, Said(sqlstate))
    mine = translated(error)
    assert type(mine) is ours
    assert "words" not in str(mine)
    assert mine.__cause__ is error


@pytest.mark.parametrize("sqlstate", ["23503", "23514", "25006", "42P01", "42501", "22012", "P0001"])
def test_what_is_a_bug_of_ours_stays_what_postgresql_said(sqlstate):
    error = OperationalError("SELECT 1", {}, Said(sqlstate))
    assert translated(error) is error
