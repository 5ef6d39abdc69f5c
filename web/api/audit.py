"""The audit log, certificates, and who is asking."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any

from pydantic import Field

from domain.actor import Action
from domain.errors import NotAllowed, NotFound
from domain.ids import CertificateId
from retention import find_certificate
from storage import JournalFilter, Unit
from web.api.shapes import Instant
from web.cursors import DEFAULT_LIMIT, MAX_LIMIT
from web.spec import Call, Kind, Reply, Route, Shape


class AuditQuery(Shape):
    """Which entries, newest first; ``before`` goes on below an index."""

    kind: str | None = None
    subject: str | None = None
    principal: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    before: Annotated[int, Field(ge=0)] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


class EntryOut(Shape):
    """An entry, as it stands in the log."""

    index: int
    entry: dict[str, Any]


class AuditOut(Shape):
    """A page of entries, newest first, and how far the log is signed."""

    entries: list[EntryOut]
    size: int
    signed_size: int
    next_before: int | None


class CertificateOut(Shape):
    """Proof of a purge: ``document`` is signed as the exact bytes in ``document_base64``."""

    id: str
    attachment: str
    issued_at: Instant
    document: dict[str, Any]
    document_base64: str
    signature_base64: str
    public_key: str


class MeOut(Shape):
    """Who is asking."""

    id: str
    role: str
    name: str | None
    organisation: str | None


def read_audit(call: Call, unit: Unit) -> Reply:
    """``GET /audit``: all of it for auditors and admins, an agent's own acts for an agent."""
    query: AuditQuery = call.query
    principal = query.principal
    if not call.actor.may(Action.READ_AUDIT):
        call.actor.scope(Action.READ_OWN_AUDIT)
        principal = call.actor.principal_id
    what = JournalFilter(query.kind, query.subject, principal, query.since, query.until)
    found = unit.journal.find(what, before=query.before, limit=query.limit + 1)
    shown = found[: query.limit]
    last = unit.journal.last_checkpoint()
    return Reply(
        200,
        AuditOut(
            entries=[EntryOut(index=row.index, entry=json.loads(row.body)) for row in shown],
            size=unit.journal.size(),
            signed_size=last.size if last else 0,
            next_before=shown[-1].index if len(found) > query.limit else None,
        ),
    )


def read_certificate(call: Call, unit: Unit) -> Reply:
    """``GET /certificates/{id}``."""
    found = find_certificate(unit, call.actor, CertificateId(call.path["id"]))
    return Reply(
        200,
        CertificateOut(
            id=found.id,
            attachment=found.attachment_id,
            issued_at=found.issued_at,
            document=json.loads(found.document),
            document_base64=base64.b64encode(found.document).decode(),
            signature_base64=base64.b64encode(found.signature).decode(),
            public_key=call.services.log.public_key,
        ),
    )


def read_me(call: Call, unit: Unit) -> Reply:
    """``GET /me``."""
    principal = call.identity.credential.principal
    organisation = None
    if principal.organisation_id is not None:
        found = unit.organisations.by_id(principal.organisation_id, call.actor.scope(Action.READ_ORGANISATION))
        organisation = found.ref if found else None
    name = call.services.people.name(principal)
    return Reply(200, MeOut(id=principal.id, role=principal.role.value, name=name, organisation=organisation))


def routes() -> list[Route]:
    """The routes of the audit log."""
    tag = "audit"
    return [
        Route(
            "GET",
            "/audit",
            "Read the audit log",
            read_audit,
            Kind.READ,
            {200: AuditOut},
            tag,
            query=AuditQuery,
            problems=(NotAllowed,),
        ),
        Route(
            "GET",
            "/certificates/{id}",
            "The certificate of a purge",
            read_certificate,
            Kind.READ,
            {200: CertificateOut},
            tag,
            problems=(NotAllowed, NotFound),
        ),
        Route("GET", "/me", "Who am I", read_me, Kind.READ, {200: MeOut}, "access"),
    ]
