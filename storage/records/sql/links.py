"""Links in SQL. What a link still gives is judged by the statement that takes it (S-58, S-71)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, null, or_, select, update

from domain.actor import Scope
from domain.ids import AttachmentId, LinkId, TicketId
from domain.link import Link, LinkKind, Terms
from storage.records.schema.links import codes, grants, links, passcode_failures
from storage.records.sql.scope import narrow, scope_values

_ADD = insert(links)
_BY_DIGEST = select(links).where(links.c.digest == bindparam("digest"))
_BY_ID = select(links).where(links.c.id == bindparam("link_id"))
_OF_TICKET = select(links).where(links.c.ticket_id == bindparam("of_ticket_id")).order_by(links.c.id)

_REVOKE = (
    update(links)
    .where(links.c.id == bindparam("the_link"), links.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
)
_REVOKE_OF_ATTACHMENT = (
    update(links)
    .where(links.c.attachment_id == bindparam("the_attachment"), links.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
)
_COUNT_USE = (
    update(links)
    .where(
        links.c.id == bindparam("the_link"),
        links.c.kind == LinkKind.DOWNLOAD,
        links.c.revoked_at.is_(None),
        links.c.expires_at > bindparam("now"),
        or_(links.c.max_downloads.is_(None), links.c.used < links.c.max_downloads),
    )
    .values(used=links.c.used + 1)
)
_ERASE = (
    update(links)
    .where(
        links.c.ticket_id == bindparam("the_ticket"),
        or_(
            links.c.revoked_at.is_(None),
            links.c.recipient_sealed.is_not(None),
            links.c.recipient_digest.is_not(None),
            links.c.note_sealed.is_not(None),
            links.c.passcode_hash.is_not(None),
            links.c.language.is_not(None),
        ),
    )
    .values(
        revoked_at=func.coalesce(links.c.revoked_at, bindparam("now", type_=links.c.revoked_at.type)),
        recipient_sealed=null(),
        recipient_digest=null(),
        note_sealed=null(),
        passcode_hash=null(),
        language=null(),
    )
)

_links_of_ticket = select(links.c.id).where(links.c.ticket_id == bindparam("the_ticket"))
_alive = grants.c.ended_at.is_(None)
_end_grants = update(grants).values(ended_at=bindparam("now"))
_END_GRANTS_OF_LINK = _end_grants.where(_alive, grants.c.link_id == bindparam("the_link"))
_END_GRANTS_OF_ATTACHMENT = _end_grants.where(_alive, grants.c.attachment_id == bindparam("the_attachment"))
_END_GRANTS_OF_TICKET = _end_grants.where(_alive, grants.c.link_id.in_(_links_of_ticket))
_DROP_CODES_OF_TICKET = delete(codes).where(codes.c.link_id.in_(_links_of_ticket))
_DROP_FAILURES_OF_TICKET = delete(passcode_failures).where(passcode_failures.c.link_id.in_(_links_of_ticket))


class SqlLinks:
    """``ports.links.Links``. Where a link ends before its time, the grants taken by it end too (S-6, S-52)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, link: Link, digest: bytes) -> None:
        terms = link.terms
        values = {
            "id": link.id,
            "digest": digest,
            "kind": link.kind,
            "ticket_id": link.ticket_id,
            "attachment_id": link.attachment_id,
            "expires_at": terms.expires_at,
            "max_files": terms.max_files,
            "max_bytes": terms.max_bytes,
            "max_downloads": terms.max_downloads,
            "allowed_types": terms.allowed_types,
            "passcode_hash": link.passcode_hash,
            "recipient_sealed": link.recipient_sealed,
            "note_sealed": link.note_sealed,
            "language": link.language,
            "created_at": link.created_at,
            "created_by": link.created_by,
            "revoked_at": link.revoked_at,
            "used": link.used,
            "recipient_digest": link.recipient_digest,
        }
        self._connection.execute(_ADD, values)

    def by_digest(self, digest: bytes) -> Link | None:
        row = self._connection.execute(_BY_DIGEST, {"digest": digest}).one_or_none()
        return None if row is None else link_of(row)

    def get(self, link_id: LinkId, scope: Scope) -> Link | None:
        statement = narrow(_BY_ID, links.c.ticket_id, scope)
        row = self._connection.execute(statement, {"link_id": link_id, **scope_values(scope)}).one_or_none()
        return None if row is None else link_of(row)

    def of_ticket(self, ticket_id: TicketId, scope: Scope) -> Sequence[Link]:
        statement = narrow(_OF_TICKET, links.c.ticket_id, scope)
        values = {"of_ticket_id": ticket_id, **scope_values(scope)}
        return [link_of(row) for row in self._connection.execute(statement, values)]

    def revoke(self, link_id: LinkId, *, at: datetime) -> bool:
        values = {"the_link": link_id, "now": at}
        revoked = self._connection.execute(_REVOKE, values).rowcount == 1
        if revoked:
            self._connection.execute(_END_GRANTS_OF_LINK, values)
        return revoked

    def revoke_of_attachment(self, attachment_id: AttachmentId, *, at: datetime) -> int:
        values = {"the_attachment": attachment_id, "now": at}
        self._connection.execute(_END_GRANTS_OF_ATTACHMENT, values)
        return self._connection.execute(_REVOKE_OF_ATTACHMENT, values).rowcount

    def count_use(self, link_id: LinkId, *, now: datetime) -> bool:
        return self._connection.execute(_COUNT_USE, {"the_link": link_id, "now": now}).rowcount == 1

    def erase_of_ticket(self, ticket_id: TicketId, *, at: datetime) -> int:
        values = {"the_ticket": ticket_id, "now": at}
        self._connection.execute(_END_GRANTS_OF_TICKET, values)
        self._connection.execute(_DROP_CODES_OF_TICKET, {"the_ticket": ticket_id})
        self._connection.execute(_DROP_FAILURES_OF_TICKET, {"the_ticket": ticket_id})
        return self._connection.execute(_ERASE, values).rowcount


def link_of(row: Row[Any]) -> Link:
    """A row of ``links`` as a value."""
    return Link(
        id=row.id,
        kind=row.kind,
        ticket_id=row.ticket_id,
        attachment_id=row.attachment_id,
        terms=Terms(
            expires_at=row.expires_at,
            max_files=row.max_files,
            max_bytes=row.max_bytes,
            max_downloads=row.max_downloads,
            allowed_types=row.allowed_types,
        ),
        passcode_hash=row.passcode_hash,
        recipient_sealed=row.recipient_sealed,
        note_sealed=row.note_sealed,
        language=row.language,
        created_at=row.created_at,
        created_by=row.created_by,
        revoked_at=row.revoked_at,
        used=row.used,
        recipient_digest=row.recipient_digest,
    )
