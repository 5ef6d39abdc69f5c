"""Files on tickets of other systems, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from domain.ids import AttachmentId, TicketId
from domain.source import SourceFileRow, SourceFileState
from storage.records.schema.connectors import source_files
from storage.records.sql.rows import columns_of, values_of
from storage.records.sql.upsert import Upsert

_PUT = Upsert(
    source_files,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[source_files.c.connector, source_files.c.source_id],
        set_={column.name: insert.excluded[column.name] for column in source_files.c if not column.primary_key},
    ),
)
_SELECT = select(*columns_of(source_files, SourceFileRow))
_of = source_files.c.connector == bindparam("the_connector")
_GET = _SELECT.where(_of, source_files.c.source_id == bindparam("the_source_id"))
_OF_TICKET = _SELECT.where(source_files.c.ticket_id == bindparam("the_ticket_id")).order_by(
    source_files.c.connector, source_files.c.source_id
)
_OF_ATTACHMENT = (
    _SELECT.where(source_files.c.attachment_id == bindparam("the_attachment_id"))
    .order_by(source_files.c.connector, source_files.c.source_id)
    .limit(1)
)
_WAITING = (
    _SELECT.where(
        _of,
        source_files.c.state.in_(bindparam("states", expanding=True)),
        source_files.c.next_at <= bindparam("now"),
    )
    .order_by(source_files.c.next_at, source_files.c.source_id)
    .limit(bindparam("limit"))
)
_COUNTS = select(source_files.c.state, func.count()).where(_of).group_by(source_files.c.state)
_PAGE = (
    _SELECT.where(
        _of,
        source_files.c.state == bindparam("the_state"),
        source_files.c.source_id > bindparam("after"),
    )
    .order_by(source_files.c.source_id)
    .limit(bindparam("limit"))
)


class SqlSourceFiles:
    """``ports.connectors.SourceFiles``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, row: SourceFileRow) -> None:
        _PUT.execute(self._connection, values_of(row))

    def get(self, connector: str, source_id: str) -> SourceFileRow | None:
        values = {"the_connector": connector, "the_source_id": source_id}
        row = self._connection.execute(_GET, values).one_or_none()
        return None if row is None else SourceFileRow(*row)

    def of_ticket(self, ticket_id: TicketId) -> Sequence[SourceFileRow]:
        return [SourceFileRow(*row) for row in self._connection.execute(_OF_TICKET, {"the_ticket_id": ticket_id})]

    def of_attachment(self, attachment_id: AttachmentId) -> SourceFileRow | None:
        row = self._connection.execute(_OF_ATTACHMENT, {"the_attachment_id": attachment_id}).one_or_none()
        return None if row is None else SourceFileRow(*row)

    def waiting(
        self, connector: str, states: Collection[SourceFileState], now: datetime, *, limit: int
    ) -> Sequence[SourceFileRow]:
        values = {"the_connector": connector, "states": sorted(states), "now": now, "limit": limit}
        return [SourceFileRow(*row) for row in self._connection.execute(_WAITING, values)]

    def counts(self, connector: str) -> Mapping[SourceFileState, int]:
        rows = self._connection.execute(_COUNTS, {"the_connector": connector})
        return {state: int(count) for state, count in rows}

    def page(self, connector: str, state: SourceFileState, *, after: str | None, limit: int) -> Sequence[SourceFileRow]:
        values = {"the_connector": connector, "the_state": state, "after": after or "", "limit": limit}
        return [SourceFileRow(*row) for row in self._connection.execute(_PAGE, values)]
