"""All attachments at once, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from functools import cache
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, bindparam, cast, func, select

from domain.attachment import LIVE, Attachment, AttachmentState
from domain.ids import AttachmentId, BlobId, LinkId, OrganisationId, TicketId
from storage.records.ports.attachments import Quota
from storage.records.schema.core import attachments, quotas, tickets
from storage.records.sql import sums
from storage.records.sql.rows import columns_of

_BATCH = 500  # rows a statement: within what every SQLite takes as bound parameters (999)

_SELECT = select(*columns_of(attachments, Attachment))
_FROM = _SELECT.where(attachments.c.id > bindparam("after")).order_by(attachments.c.id).limit(bindparam("limit"))
_BY_BLOBS = _SELECT.where(attachments.c.blob_id.in_(bindparam("blob_ids", expanding=True)))
_COUNT = select(func.count()).where(attachments.c.state.in_(sorted(LIVE)))

_TAKEN = (
    select(cast(func.coalesce(func.sum(quotas.c.used_bytes + quotas.c.reserved_bytes), 0), BigInteger))
    .select_from(quotas.join(tickets, tickets.c.id == quotas.c.owner_id))
    .where(tickets.c.organisation_id == bindparam("organisation_id"))
)


class SqlInventory:
    """``ports.attachments.Inventory`` on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def in_states(
        self,
        states: Collection[AttachmentState],
        *,
        created_before: datetime | None = None,
        after: AttachmentId | None = None,
        limit: int,
    ) -> Sequence[Attachment]:
        values: dict[str, Any] = {"after": after or "", "limit": limit}
        if created_before is not None:
            values["created_before"] = created_before
        # One walk of the index a state, then merged: one statement for all would sort every row of those states.
        found = [
            [
                Attachment(*row)
                for row in self._connection.execute(_in_state(created_before is not None), {**values, "state": state})
            ]
            for state in sorted(set(states))
        ]
        return list(islice(merge(*found, key=attrgetter("id")), limit))

    def live_count(self) -> int:
        return int(self._connection.execute(_COUNT).scalar_one())

    def organisation_bytes(self, organisation_id: OrganisationId) -> int:
        return int(self._connection.execute(_TAKEN, {"organisation_id": organisation_id}).scalar_one())

    def by_blobs(self, blob_ids: Collection[BlobId]) -> dict[BlobId, Attachment]:
        wanted = list(blob_ids)
        rows: dict[BlobId, Attachment] = {}
        for start in range(0, len(wanted), _BATCH):
            for row in self._connection.execute(_BY_BLOBS, {"blob_ids": wanted[start : start + _BATCH]}):
                attachment = Attachment(*row)
                rows[attachment.blob_id] = attachment
        return rows

    def all(self) -> Iterator[Attachment]:
        after = ""
        while batch := [Attachment(*row) for row in self._connection.execute(_FROM, {"after": after, "limit": _BATCH})]:
            yield from batch
            after = batch[-1].id

    def miscounted(self) -> Sequence[tuple[Quota | None, Quota]]:
        return sums.miscounted(self._connection)

    def recount(self, owner_id: LinkId | TicketId) -> None:
        sums.recount(self._connection, owner_id)


@cache
def _in_state(by_age: bool, /) -> Select[Any]:
    statement = _FROM.where(attachments.c.state == bindparam("state"))
    return statement.where(attachments.c.created_at < bindparam("created_before")) if by_age else statement
