"""Attachments: sent by agents and connectors, listed, read, erased."""

from __future__ import annotations

from typing import Literal

from aiohttp import web

from domain.actor import Action, Role
from domain.attachment import Attachment, AttachmentState, Source
from domain.errors import (
    ContentMismatch,
    Infected,
    NotAllowed,
    NotFound,
    QuotaExceeded,
    StorageFull,
    TooLarge,
    TooMany,
    TypeNotAllowed,
    Unavailable,
)
from domain.ids import AttachmentId
from keys import ATTACHMENT
from storage import Unit
from transfer import Incoming, Received
from web.api.shapes import Instant
from web.identity import Identity
from web.services import SERVICES, Services
from web.spec import Call, Reply, Shape

State = Literal["receiving", "scanning", "available", "quarantined", "damaged", "purged"]
_SOURCES = {
    Role.AGENT: Source.AGENT,
    Role.ADMIN: Source.ADMIN,
    Role.CONTACT: Source.CONTACT,
    Role.CONNECTOR: Source.CONNECTOR,
}
UPLOAD_PROBLEMS = (
    NotAllowed, NotFound, TooMany, TooLarge, QuotaExceeded, TypeNotAllowed, Infected, ContentMismatch, StorageFull,
    Unavailable,
)  # fmt: skip


class AttachmentOut(Shape):
    """An attachment. ``sha256`` is of the file as it was sent; a purged one keeps no name."""

    id: str
    ticket: str
    name: str | None
    size: int | None
    media_type: str | None
    sha256: str | None
    state: State
    scan: Literal["none", "pending", "clean", "infected", "unscannable"]
    created_at: Instant
    source: Literal["requester", "agent", "contact", "admin", "connector"]
    download_count: int
    purged_at: Instant | None
    certificate: str | None


class AttachmentsOut(Shape):
    """Attachments, oldest first."""

    attachments: list[AttachmentOut]


def shown_state(state: AttachmentState) -> State:
    """A state as the outside knows it: what is being purged is purged."""
    return "purged" if state is AttachmentState.PURGING else state.value  # type: ignore[return-value]


def attachment_out(services: Services, unit: Unit, row: Attachment, ticket_ref: str) -> AttachmentOut:
    """An attachment as the API shows it."""
    name = None
    if row.name_sealed is not None:
        name = services.keys.open_text(unit, row.id, ATTACHMENT, "name", row.name_sealed)
    return AttachmentOut(
        id=row.id,
        ticket=ticket_ref,
        name=name,
        size=row.size,
        media_type=row.media_type,
        sha256=row.sha256.hex() if row.sha256 else None,
        state=shown_state(row.state),
        scan=row.scan.value,
        created_at=row.created_at,
        source=row.source.value,
        download_count=row.download_count,
        purged_at=row.purged_at,
        certificate=row.certificate_id,
    )


def list_attachments(call: Call, unit: Unit) -> Reply:
    """``GET /tickets/{ref}/attachments``."""
    ticket = call.services.view.find_ticket(unit, call.actor, call.path["ref"])
    rows = unit.attachments.of_ticket(ticket.id, call.actor.scope(Action.READ_TICKET))
    shown = [attachment_out(call.services, unit, row, ticket.ref) for row in rows]
    return Reply(200, AttachmentsOut(attachments=shown))


def get_attachment(call: Call, unit: Unit) -> Reply:
    """``GET /attachments/{id}``."""
    scope = call.actor.scope(Action.READ_TICKET)
    row = unit.attachments.get(AttachmentId(call.path["id"]), scope)
    ticket = None if row is None else unit.tickets.by_id(row.ticket_id, scope)
    if row is None or ticket is None or row.state is AttachmentState.RECEIVING:
        raise NotFound
    return Reply(200, attachment_out(call.services, unit, row, ticket.ref))


async def _incoming(request: web.Request, identity: Identity) -> tuple[Incoming, str]:
    services = request.app[SERVICES]
    scope = identity.actor.scope(Action.SEND_FILE)
    ticket = await services.hop.read(lambda unit: unit.tickets.get(request.match_info["ref"], scope))
    if ticket is None:
        raise NotFound
    return Incoming(identity.actor, ticket.id, _SOURCES[identity.actor.role]), ticket.ref


def received_out(services: Services, unit: Unit, received: Received, ticket_ref: str) -> list[AttachmentOut]:
    """What a request brought in, as the API shows it."""
    return [attachment_out(services, unit, file.attachment, ticket_ref) for file in received.files]
