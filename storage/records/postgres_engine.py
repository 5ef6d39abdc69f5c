"""How connections to PostgreSQL are made and begin, and what the server must be (S-15).

Nothing is set for a session, everything for a transaction or read before it: so a pooler that gives a connection to
somebody else after each transaction (PgBouncer) does no harm.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from domain.errors import Misconfigured, RecordsUnavailable
from storage.records.translate import translated

FIELD = "database_url"
SCHEMES = ("postgresql://", "postgres://")
OLDEST = 13
"""The oldest PostgreSQL: what became of a transaction is asked by its 64-bit number, which begins with 13."""

STATEMENT_SECONDS = 30
"""No statement may run longer (S-81)."""
LOCK_SECONDS = 20
"""Nor wait longer for its turn, or for a lock: others are writing all the time then, or somebody died with it."""
IDLE_SECONDS = 10
"""A transaction in which nobody says anything is ended by the server: a node that froze must not keep the turn."""
ANSWER_SECONDS = 35.0
"""Whoever does not answer by then is frozen, and its connection is given up: nothing at TCP's level would tell."""
QUICK_SECONDS = 5.0
"""As much for a question that any server answers at once."""
POOL_SECONDS = 5.0
"""How long a caller waits for a connection."""

# What the URL says comes before these. A peer that is gone without a word is noticed after about half a minute.
_CONNECTION: Mapping[str, str] = {
    "application_name": "bilaga",
    "client_encoding": "utf8",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
_LIMITS = (
    f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'; SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; "
    f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
)

READ = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_LIMITS}"
"""One snapshot for all of a read's statements; writing fails."""

TURN = "LOCK TABLE schema_version IN SHARE ROW EXCLUSIVE MODE"
"""One writer at a time, of all nodes: from here to its end no other transaction of ours writes.

LOCK takes no snapshot, so the snapshot of the first statement after it has all that anybody committed before.
Migrations write to that table, so they and the writers keep out of each other's way too.
"""
WRITE = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; {_LIMITS}; {TURN}"
"""Writers in turn are serial by construction. REPEATABLE READ besides: whoever writes without a turn (a person at a
prompt) makes a work fail with 40001 and run anew, and is not overwritten unseen."""

_SETTINGS = (
    "SELECT current_setting('server_version_num')::int, current_setting('fsync'), current_setting('full_page_writes'), "
    "current_setting('synchronous_commit'), current_setting('server_encoding'), pg_is_in_recovery()"
)
_DURABLE = ("on", "remote_apply")  # S-5: on the disk of this server, and of the synchronous standby where there is one

# How libpq says that the server cannot be reached, or takes nobody right now; it gives no code for it.
_NOT_NOW = (
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "No route to host",
    "Network is unreachable",
    "timeout expired",
    "timed out",
    "Temporary failure in name resolution",
    "server closed the connection unexpectedly",
    "the database system is",  # starting up, shutting down, in recovery
    "too many clients",
    "too many connections",
    "remaining connection slots",
    "could not receive data from server",
    "No such file or directory",  # the socket of a server that is down
)


_ALONE = {"begins": False}


class NoAnswer(psycopg.OperationalError):
    """The server did not answer in time."""


class Driver(psycopg.Connection[Any]):
    """A connection that waits so long for an answer and no longer; then it is closed, since an answer that comes late
    would be taken for that to another question."""

    patience = ANSWER_SECONDS

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        limit = self.patience if timeout is None else timeout
        begun = time.monotonic()
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError as error:
            if error.sqlstate is None:
                self.close()
                if time.monotonic() - begun >= limit:
                    raise NoAnswer from error
            raise


def engine(url: str, *, begin: str, connections: int, patience: float = ANSWER_SECONDS) -> Engine:
    """An engine whose transactions begin with ``begin``. Raises Misconfigured where the URL is none; connects to
    nothing yet. The driver itself stays in autocommit, so that each BEGIN is ours and takes one round trip.
    ``patience``: seconds to wait for an answer."""
    conninfo = _conninfo(url)

    def connect() -> Driver:
        driver = Driver.connect(conninfo, autocommit=True)
        driver.patience = patience
        return driver

    made = create_engine(
        "postgresql+psycopg://",  # the URL's secrets are nowhere in SQLAlchemy
        creator=connect,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        hide_parameters=True,
    )

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("begins", True):
            connection.exec_driver_sql(begin)

    return made


def alone(made: Engine, statement: str, *, patience: float = QUICK_SECONDS) -> Any:
    """The row of one statement in autocommit, in one round trip; None where it gives none. Raises DBAPIError."""
    with made.connect().execution_options(**_ALONE) as connection:
        driver: Any = connection.connection.driver_connection
        before, driver.patience = driver.patience, min(patience, driver.patience)
        try:
            result = connection.exec_driver_sql(statement)
            return result.one_or_none() if result.returns_rows else None
        finally:
            driver.patience = before


def was_dead(error: DBAPIError) -> bool:
    """Whether a connection was found dead: the pool may be older than the server's last start, and is empty now. To be
    tried again at once, unlike one that was refused or got no answer."""
    return error.connection_invalidated and not isinstance(error.orig, NoAnswer)


def check(made: Engine) -> None:
    """Raises Misconfigured where the server refuses us or is not as it must be, RecordsUnavailable where it is down."""
    try:
        found = Server(*alone(made, _SETTINGS))
    except DBAPIError as error:
        raise refusal(error) from error
    found.check()


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself."""

    version: int
    """As in ``server_version_num``: 150003."""
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    encoding: str
    is_standby: bool

    def check(self) -> None:
        """Raises Misconfigured, naming the first that is not what it must be; RecordsUnavailable for a standby."""
        if self.version < OLDEST * 10_000:
            raise Misconfigured(f"PostgreSQL {OLDEST} or newer is needed, not {self.version // 10_000}.", field=FIELD)
        if self.encoding != "UTF8":
            raise Misconfigured(f"The database's encoding must be UTF8, it is {self.encoding}.", field=FIELD)
        wanted = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": _DURABLE}
        for name, values in wanted.items():
            if (value := getattr(self, name)) not in values:
                raise Misconfigured(f"PostgreSQL has {name}={value}: what it acknowledges may be lost.", field=FIELD)
        if self.is_standby:
            raise RecordsUnavailable("This PostgreSQL is a standby: nothing can be written to it.")


def refusal(error: DBAPIError) -> BaseException:
    """What a first connection that failed says to whoever starts the service, in one line; never the URL."""
    cause = error.orig
    if getattr(cause, "sqlstate", None) is not None:
        return translated(error)
    if not isinstance(cause, psycopg.OperationalError):
        return Misconfigured("This is no address of a PostgreSQL database.", field=FIELD)
    said = str(cause).strip().split("\n", 1)[0]
    if any(words in said for words in _NOT_NOW):
        return RecordsUnavailable("PostgreSQL cannot be reached.")
    return Misconfigured(f"PostgreSQL: {said.rsplit('failed: ', 1)[-1].removeprefix('FATAL:').strip()}", field=FIELD)


def _conninfo(url: str) -> str:
    if not url.startswith(SCHEMES):
        raise Misconfigured("An address of PostgreSQL begins with postgresql://.", field=FIELD)
    with suppress(psycopg.Error):  # libpq's own words repeat the URL, password and all: not even kept as a cause
        return make_conninfo("", **{**_CONNECTION, **conninfo_to_dict(url)})
    raise Misconfigured("This is no address of a PostgreSQL database.", field=FIELD)
