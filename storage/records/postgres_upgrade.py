"""Bringing a PostgreSQL database's schema up to ours: forward only, in one transaction, by one process at a time."""

from __future__ import annotations

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from domain.errors import Misconfigured
from storage.records import postgres_engine
from storage.records.translate import translating
from storage.records.upgrade import HEAD, READ_VERSION, REVISIONS, migrate

# Whoever migrates at the same time waits here, then finds nothing to do. The number is "bilaga" in ASCII. Statements
# may take as long as they need (an index on a large table); waiting for the others may not.
_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0; "
    "SELECT pg_advisory_xact_lock(108204929410913)"
)
_EXISTS = "SELECT to_regclass('schema_version') IS NOT NULL"


def upgrade(url: str) -> bool:
    """Make the tables or migrate them; whether there was anything to do. Safe to call from several processes at once.

    Raises Misconfigured where the server is not as it must be, the role may not make tables, or the schema is newer
    than this program; RecordsUnavailable where PostgreSQL does not answer.
    """
    engine = postgres_engine.engine(url, begin=_BEGIN, connections=1)
    try:
        postgres_engine.check(engine)
        with translating(), engine.begin() as connection:
            return _upgrade(connection)
    except DBAPIError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise Misconfigured(f"PostgreSQL: {error.orig.diag.message_primary}", field=postgres_engine.FIELD) from error
    finally:
        engine.dispose()


def _upgrade(connection: Connection) -> bool:
    found = None
    if connection.exec_driver_sql(_EXISTS).scalar_one():
        found = connection.exec_driver_sql(READ_VERSION).scalar_one_or_none()
    if found == HEAD:
        return False
    if found is not None:
        if found not in REVISIONS:
            raise Misconfigured(
                "The database was made by a newer version of this program.", field=postgres_engine.FIELD
            )
        connection.exec_driver_sql(postgres_engine.TURN)  # nodes of the release before wait meanwhile
    migrate(connection)
    return True
