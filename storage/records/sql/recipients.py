"""Links by whom they name, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, null, or_, select, update

from domain.ids import LinkId
from domain.link import Link
from storage.records.schema.links import codes, grants, links
from storage.records.sql.links import link_of

_after = links.c.id > bindparam("after")
_OF = (
    select(links)
    .where(links.c.recipient_digest.is_not(None), links.c.recipient_digest == bindparam("the_digest"), _after)
    .order_by(links.c.id)
    .limit(bindparam("how_many"))
)
_UNINDEXED = (
    select(links)
    .where(links.c.recipient_sealed.is_not(None), links.c.recipient_digest.is_(None), _after)
    .order_by(links.c.id)
    .limit(bindparam("how_many"))
)
_INDEX = (
    update(links)
    .where(links.c.id == bindparam("the_link"), links.c.recipient_sealed.is_not(None))
    .values(recipient_digest=bindparam("new_digest"))
)
_ERASE = (
    update(links)
    .where(
        links.c.id == bindparam("the_link"),
        or_(links.c.recipient_sealed.is_not(None), links.c.recipient_digest.is_not(None)),
    )
    .values(
        revoked_at=func.coalesce(links.c.revoked_at, bindparam("now", type_=links.c.revoked_at.type)),
        recipient_sealed=null(),
        recipient_digest=null(),
        note_sealed=null(),
        passcode_hash=null(),
    )
)
_END_GRANTS = (
    update(grants)
    .where(grants.c.link_id == bindparam("the_link"), grants.c.ended_at.is_(None))
    .values(ended_at=bindparam("now"))
)
_DROP_CODE = delete(codes).where(codes.c.link_id == bindparam("the_link"))


class SqlRecipients:
    """``ports.recipients.Recipients``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, digest: bytes, *, after: LinkId | None, limit: int) -> Sequence[Link]:
        values = {"the_digest": digest, "after": after or "", "how_many": limit}
        return [link_of(row) for row in self._connection.execute(_OF, values)]

    def unindexed(self, *, after: LinkId | None, limit: int) -> Sequence[Link]:
        values = {"after": after or "", "how_many": limit}
        return [link_of(row) for row in self._connection.execute(_UNINDEXED, values)]

    def index(self, link_id: LinkId, digest: bytes) -> None:
        self._connection.execute(_INDEX, {"the_link": link_id, "new_digest": digest})

    def erase(self, link_id: LinkId, *, at: datetime) -> bool:
        values = {"the_link": link_id, "now": at}
        erased = self._connection.execute(_ERASE, values).rowcount == 1
        if erased:
            self._connection.execute(_END_GRANTS, values)
            self._connection.execute(_DROP_CODE, {"the_link": link_id})
        return erased
