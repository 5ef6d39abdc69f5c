"""Ticket systems' rows in SQL, what they hinted at, and what was delivered before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, select, update

from storage.records.ports.connectors import ConnectorRow, HintRow
from storage.records.schema.connectors import connectors, deliveries, hints
from storage.records.sql.rows import columns_of, values_of
from storage.records.sql.upsert import Upsert

_PUT = Upsert(
    connectors,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[connectors.c.name],
        set_={column.name: insert.excluded[column.name] for column in connectors.c if not column.primary_key},
    ),
)
_ALL = select(*columns_of(connectors, ConnectorRow)).order_by(connectors.c.name)
_GET = select(*columns_of(connectors, ConnectorRow)).where(connectors.c.name == bindparam("the_name"))
_REMOVE = (
    delete(hints).where(hints.c.connector == bindparam("the_name")),
    delete(deliveries).where(deliveries.c.connector == bindparam("the_name")),
    delete(connectors).where(connectors.c.name == bindparam("the_name")),
)


class SqlConnectors:
    """``ports.connectors.Connectors``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, row: ConnectorRow) -> None:
        _PUT.execute(self._connection, values_of(row))

    def get(self, name: str) -> ConnectorRow | None:
        row = self._connection.execute(_GET, {"the_name": name}).one_or_none()
        return None if row is None else ConnectorRow(*row)

    def all(self) -> Sequence[ConnectorRow]:
        return [ConnectorRow(*row) for row in self._connection.execute(_ALL)]

    def remove(self, name: str) -> None:
        for statement in _REMOVE:
            self._connection.execute(statement, {"the_name": name})


_FIRST = Upsert(
    deliveries,
    lambda insert: insert.on_conflict_do_nothing().returning(deliveries.c.connector),
)
_ADD = Upsert(
    hints,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[hints.c.connector, hints.c.source_id],
        set_={name: insert.excluded[name] for name in ("received_at", "attempts", "next_at")},
    ),
)
_WAITING = (
    select(*columns_of(hints, HintRow))
    .where(hints.c.connector == bindparam("the_connector"), hints.c.next_at <= bindparam("now"))
    .order_by(hints.c.next_at, hints.c.source_id)
    .limit(bindparam("limit"))
)
_COUNT = select(func.count()).select_from(hints).where(hints.c.connector == bindparam("the_connector"))
_this = (
    hints.c.connector == bindparam("the_connector"),
    hints.c.source_id == bindparam("the_source_id"),
    hints.c.received_at == bindparam("the_received_at"),
)
_DONE = delete(hints).where(*_this)
_PUT_OFF = update(hints).where(*_this).values(attempts=hints.c.attempts + 1, next_at=bindparam("new_next_at"))
_SWEEP = delete(deliveries).where(deliveries.c.received_at < bindparam("before"))


class SqlHints:
    """``ports.connectors.Hints``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def first(self, connector: str, digest: bytes, *, now: datetime) -> bool:
        values = {"connector": connector, "digest": digest, "received_at": now}
        return _FIRST.execute(self._connection, values).one_or_none() is not None

    def add(self, connector: str, source_ids: Collection[str], *, now: datetime) -> None:
        for source_id in sorted(set(source_ids)):
            row = HintRow(connector, source_id, received_at=now, attempts=0, next_at=now)
            _ADD.execute(self._connection, values_of(row))

    def waiting(self, connector: str, now: datetime, *, limit: int) -> Sequence[HintRow]:
        values = {"the_connector": connector, "now": now, "limit": limit}
        return [HintRow(*row) for row in self._connection.execute(_WAITING, values)]

    def count(self, connector: str) -> int:
        return int(self._connection.execute(_COUNT, {"the_connector": connector}).scalar_one())

    def done(self, hint: HintRow) -> None:
        self._connection.execute(_DONE, _named(hint))

    def put_off(self, hint: HintRow, *, next_at: datetime) -> None:
        self._connection.execute(_PUT_OFF, {**_named(hint), "new_next_at": next_at})

    def sweep(self, before: datetime) -> int:
        return self._connection.execute(_SWEEP, {"before": before}).rowcount


def _named(hint: HintRow) -> dict[str, object]:
    return {
        "the_connector": hint.connector,
        "the_source_id": hint.source_id,
        "the_received_at": hint.received_at,
    }
