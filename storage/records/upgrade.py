"""Bringing the database's schema up to ours. Alembic is slow to import, so that waits until there is work for it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from domain.errors import Misconfigured, RecordsUnavailable, SchemaOld
from storage.records import pragmas
from storage.records.place import prepare
from storage.records.translate import translating

if TYPE_CHECKING:
    from alembic.config import Config

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""Every revision in ``migrations/versions``, oldest first; a test compares. The last is the one this program needs."""
HEAD = REVISIONS[-1]
VERSION_TABLE = "schema_version"

_PAUSE = 0.05
READ_VERSION = "SELECT version_num FROM schema_version"


def check_version(found: str | None) -> None:
    """Raises SchemaOld where the schema is not the one this program needs."""
    if found == HEAD:
        return
    if found is None or found in REVISIONS:
        raise SchemaOld
    raise SchemaOld("The database was made by a newer version of this program.")


def upgrade(path: Path, *, busy_seconds: float = 5.0) -> bool:
    """Make the file or migrate it, in one transaction that holds the write lock; whether there was anything to do.

    Safe to call from several processes at once. Raises Misconfigured where the schema is newer than this program.
    """
    prepare(path)
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            with translating():
                return _upgrade(path, busy_seconds)
        except RecordsUnavailable:
            # The busy time-out does not wait for who is making the same file a WAL database right now.
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)


def _upgrade(path: Path, busy_seconds: float) -> bool:
    found = _found(path, busy_seconds)
    if found == HEAD:
        return False
    if found is not None and found not in REVISIONS:
        raise Misconfigured("The database was made by a newer version of this program.", field="database_url")
    engine = pragmas.engine(path, writing=True, connections=1, busy_seconds=busy_seconds)
    try:
        with engine.connect() as connection:
            migrate(connection)
    finally:
        engine.dispose()
    return True


def migrate(connection: Connection) -> None:
    """Run what is missing on a connection of any dialect."""
    from alembic import command  # noqa: PLC0415

    command.upgrade(configuration(connection), "head")


def configuration(connection: Connection) -> Config:
    """Alembic's settings: nothing but our folder and the connection."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    return config


def _found(path: Path, busy_seconds: float) -> str | None:
    with closing(sqlite3.connect(path, timeout=busy_seconds)) as driver:
        driver.execute("PRAGMA wal_autocheckpoint=0")
        try:
            row = driver.execute(READ_VERSION).fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # no such table: a new file
                return None
            raise
    return None if row is None else str(row[0])
