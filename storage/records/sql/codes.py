"""Codes mailed to a link's recipient, in SQL."""

from __future__ import annotations

import hmac
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from domain.ids import LinkId
from storage.records.schema.links import codes
from storage.records.sql.upsert import Upsert

_PUT = Upsert(
    codes,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[codes.c.link_id],
        set_={name: insert.excluded[name] for name in ("digest", "expires_at", "tries", "sent_at")},
    ),
)
_SENT_AT = select(codes.c.sent_at).where(codes.c.link_id == bindparam("the_link"))
# The try is taken before the code is looked at: guesses made at once are as many as guesses made in turn.
_TRY = (
    update(codes)
    .where(codes.c.link_id == bindparam("the_link"), codes.c.tries > 0, codes.c.expires_at > bindparam("now"))
    .values(tries=codes.c.tries - 1)
    .returning(codes.c.digest)
)
_DROP = delete(codes).where(codes.c.link_id == bindparam("the_link"))


class SqlCodes:
    """``ports.links.Codes``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, link_id: LinkId, *, digest: bytes, expires_at: datetime, tries: int, sent_at: datetime) -> None:
        values = {"link_id": link_id, "digest": digest, "expires_at": expires_at, "tries": tries, "sent_at": sent_at}
        _PUT.execute(self._connection, values)

    def sent_at(self, link_id: LinkId) -> datetime | None:
        return self._connection.execute(_SENT_AT, {"the_link": link_id}).scalar_one_or_none()

    def redeem(self, link_id: LinkId, *, digest: bytes, now: datetime) -> bool:
        kept = self._connection.execute(_TRY, {"the_link": link_id, "now": now}).scalar_one_or_none()
        if kept is None or not hmac.compare_digest(kept, digest):
            return False
        # The row is locked by the try since: nobody else redeems it in between.
        self._connection.execute(_DROP, {"the_link": link_id})
        return True
