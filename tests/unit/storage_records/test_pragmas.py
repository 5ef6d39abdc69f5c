from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Misconfigured, RecordsUnavailable
from storage.records import pragmas
from storage.records.translate import translating

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.sqlite"


def found(driver: sqlite3.Connection) -> dict[str, Any]:
    names = (*pragmas._EXPECTED, "query_only", "busy_timeout")
    return {name: driver.execute(f"PRAGMA {name}").fetchone()[0] for name in names}


@pytest.mark.parametrize("writing", [True, False])
def test_a_connection_is_set_as_it_must_be_and_says_so_itself(path, writing):
    engine = pragmas.engine(path, writing=writing, connections=1, busy_seconds=2.5)
    proxied = engine.raw_connection()
    settings = found(proxied.driver_connection)  # type: ignore[arg-type]
    assert settings["journal_mode"] == "wal"
    assert settings["synchronous"] == 2
    assert settings["foreign_keys"] == settings["secure_delete"] == 1
    assert settings["wal_autocheckpoint"] == 0
    assert settings["temp_store"] == 2
    assert settings["query_only"] == (0 if writing else 1)
    assert settings["busy_timeout"] == 2500
    pragmas.check(proxied.driver_connection, writing=writing)  # type: ignore[arg-type]
    proxied.close()
    engine.dispose()


def test_a_connection_nobody_set_does_not_pass(path):
    driver = sqlite3.connect(path)
    with pytest.raises(Misconfigured):
        pragmas.check(driver, writing=True)
    driver.close()


@pytest.mark.parametrize("name", [*pragmas._EXPECTED, "query_only", "busy_timeout"])
def test_any_setting_that_sqlite_did_not_take_stops_the_start_and_is_named(path, name):
    driver = sqlite3.connect(path)
    pragmas.apply(driver, writing=True)
    settings = found(driver)
    driver.close()
    pragmas.compare(settings, writing=True)
    for wrong in ("delete", 7, None) if name != "busy_timeout" else (0, None):
        with pytest.raises(Misconfigured, match=name.replace("_", "[_ ]").replace("timeout", "time-?out")):
            pragmas.compare({**settings, name: wrong}, writing=True)


def test_a_statement_that_goes_on_for_ever_is_stopped_and_the_connection_lives(path):
    engine = pragmas.engine(path, writing=False, connections=1, busy_seconds=1, patience=0.05)
    with engine.connect() as connection:
        with pytest.raises(RecordsUnavailable), translating():
            connection.exec_driver_sql(ENDLESS)
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    engine.dispose()


def test_what_is_bound_is_not_in_an_errors_text(path):
    engine = pragmas.engine(path, writing=True, connections=1, busy_seconds=1)
    with engine.connect() as connection, pytest.raises(Exception, match="no such table") as raised:
        connection.exec_driver_sql("SELECT * FROM nowhere WHERE secret = ?", ("anna@example.test",))
    assert "anna" not in str(raised.value)
    engine.dispose()
