"""After a restore, in SQL: whatever may have been used up since the backup ends."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, update

from domain.link import LinkKind
from storage.records.ports.access import CredentialKind
from storage.records.ports.restores import Ended
from storage.records.schema.access import credentials
from storage.records.schema.links import codes, grants, links

_SESSIONS = delete(credentials).where(credentials.c.kind.in_([CredentialKind.SESSION, CredentialKind.SIGN_IN]))
_CODES = delete(codes)
_GRANTS = update(grants).where(grants.c.ended_at.is_(None)).values(ended_at=bindparam("now"))
_LINKS = (
    update(links)
    .where(
        links.c.kind == LinkKind.DOWNLOAD,
        links.c.max_downloads.is_not(None),
        links.c.revoked_at.is_(None),
        links.c.expires_at > bindparam("now"),
    )
    .values(revoked_at=bindparam("now"))
)


class SqlRestores:
    """``ports.restores.Restores``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def end_all(self, *, at: datetime) -> Ended:
        self._connection.execute(_CODES)
        return Ended(
            sessions=self._connection.execute(_SESSIONS).rowcount,
            grants=self._connection.execute(_GRANTS, {"now": at}).rowcount,
            links=self._connection.execute(_LINKS, {"now": at}).rowcount,
        )
