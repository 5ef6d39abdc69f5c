"""Attachments: sent by agents and connectors, listed, read, erased."""

from __future__ import annotations

from typing import Literal

from aiohttp import web

from domain.actor import Action, Role
from domain.attachment import Attachment, AttachmentState, Source
from domain.errors import (
    AlreadyPurged,
    BadInput,
    ChecksumMismatch,
    ContentMismatch,
    Damaged,
    Infected,
    NotAllowed,
    NotFound,
    NotReady,
    Quarantined,
    QuotaExceeded,
    RangeNotSatisfiable,
    StorageFull,
    TooLarge,
    TooMany,
    TypeNotAllowed,
    Unavailable,
    UnderHold,
)
from domain.ids import AttachmentId
from keys import ATTACHMENT
from retention import Reason
from storage import Unit
from transfer import Incoming, Reading, Received
from web.api.shapes import Instant
from web.content import head_attachment, send_archive, send_attachment
from web.dispatch import respond
from web.idempotency import once_of
from web.identity import Identity
from web.intake import Intake, name_in_path
from web.services import SERVICES, Services
from web.spec import Call, Kind, Reply, Route, Shape

State = Literal["receiving", "scanning", "available", "quarantined", "damaged", "purged"]
_SOURCES = {
    Role.AGENT: Source.AGENT,
    Role.ADMIN: Source.ADMIN,
    Role.CONTACT: Source.CONTACT,
    Role.CONNECTOR: Source.CONNECTOR,
}
UPLOAD_PROBLEMS = (
    NotAllowed, NotFound, TooMany, TooLarge, QuotaExceeded, TypeNotAllowed, Infected, ContentMismatch, ChecksumMismatch,
    StorageFull,
    Unavailable,
)  # fmt: skip


class AttachmentOut(Shape):
    """An attachment. ``sha256`` is of the file as it was sent. Of a purged one neither that nor a name is left, and
    whoever may not read the file sees neither."""

    id: str
    ticket: str
    name: str | None
    size: int | None
    media_type: str | None
    sha256: str | None
    state: State
    scan: Literal["none", "pending", "clean", "infected", "unscannable"]
    created_at: Instant
    source: Literal["requester", "agent", "contact", "admin", "connector", "mail"]
    download_count: int
    purged_at: Instant | None
    certificate: str | None


class AttachmentsOut(Shape):
    """Attachments, oldest first."""

    attachments: list[AttachmentOut]


def shown_state(state: AttachmentState) -> State:
    """A state as the outside knows it: what is being purged is purged."""
    return "purged" if state is AttachmentState.PURGING else state.value  # type: ignore[return-value]


def attachment_out(services: Services, unit: Unit, row: Attachment, ticket_ref: str, *, reader: bool) -> AttachmentOut:
    """An attachment as the API shows it. ``reader``: whether the caller may read the file; a name and a digest tell of
    its content, so those who may not (auditor, admin and connector, if the site says nothing else) see neither."""
    name = None
    if reader and row.name_sealed is not None:
        name = services.keys.open_text(unit, row.id, ATTACHMENT, "name", row.name_sealed)
    return AttachmentOut(
        id=row.id,
        ticket=ticket_ref,
        name=name,
        size=row.size,
        media_type=row.media_type,
        sha256=row.sha256.hex() if reader and row.sha256 else None,
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
    reader = call.actor.may(Action.READ_FILE)
    shown = [attachment_out(call.services, unit, row, ticket.ref, reader=reader) for row in rows]
    return Reply(200, AttachmentsOut(attachments=shown))


def get_attachment(call: Call, unit: Unit) -> Reply:
    """``GET /attachments/{id}``."""
    scope = call.actor.scope(Action.READ_TICKET)
    row = unit.attachments.get(AttachmentId(call.path["id"]), scope)
    ticket = None if row is None else unit.tickets.by_id(row.ticket_id, scope)
    if row is None or ticket is None or row.state is AttachmentState.RECEIVING:
        raise NotFound
    return Reply(200, attachment_out(call.services, unit, row, ticket.ref, reader=call.actor.may(Action.READ_FILE)))


async def incoming_of(request: web.Request, identity: Identity) -> tuple[Incoming, str]:
    """For ``transfer``: who brings files to the ticket of the path, and that ticket's outside name."""
    services = request.app[SERVICES]
    scope = identity.actor.scope(Action.SEND_FILE)
    ticket = await services.hop.read(lambda unit: unit.tickets.get(request.match_info["ref"], scope))
    if ticket is None:
        raise NotFound
    return Incoming(identity.actor, ticket.id, _SOURCES[identity.actor.role]), ticket.ref


def received_out(services: Services, unit: Unit, received: Received, ticket_ref: str) -> list[AttachmentOut]:
    """What a request brought in, as the API shows it."""
    return [attachment_out(services, unit, file.attachment, ticket_ref, reader=True) for file in received.files]


async def _intake(request: web.Request, identity: Identity, *, many: bool) -> Intake:
    services = request.app[SERVICES]
    incoming, ref = await incoming_of(request, identity)

    def answering(unit: Unit, received: Received) -> Reply:
        shown = received_out(services, unit, received, ref)
        return Reply(201, AttachmentsOut(attachments=shown) if many else shown[0])

    caller = identity.credential.digest.hex()
    return Intake(request, lambda: incoming, answering, once_of(request, services, caller, None))


async def post_attachments(request: web.Request, identity: Identity) -> web.StreamResponse:
    """``POST /tickets/{ref}/attachments``: a form with one file or many, taken whole or not at all."""

    async def no_field(name: str, value: str) -> None:
        raise BadInput("Only files are taken here.", field=name)

    intake = await _intake(request, identity, many=True)
    return respond(await intake.form(no_field))


async def put_attachment(request: web.Request, identity: Identity) -> web.StreamResponse:
    """``PUT /tickets/{ref}/attachments/{filename}``: one file, streamed."""
    intake = await _intake(request, identity, many=False)
    return respond(await intake.stream(name_in_path(request)))


async def send_by(request: web.Request, identity: Identity) -> web.StreamResponse:
    """``GET``/``HEAD /attachments/{id}/content``: the bytes, to whoever may read them."""
    attachment_id, reading = AttachmentId(request.match_info["id"]), Reading(identity.actor)
    if request.method == "HEAD":
        return await head_attachment(request, reading, attachment_id)
    return await send_attachment(request, reading, attachment_id)


async def get_archive(request: web.Request, identity: Identity) -> web.StreamResponse:
    """``GET /tickets/{ref}/attachments.zip``."""
    services = request.app[SERVICES]
    with services.pump.take() as slot:
        archive = await slot.run(
            services.archiving.open, identity.actor, request.match_info["ref"], undo=lambda opened: opened.close()
        )
        return await send_archive(request, archive, slot)


def erase_attachment(call: Call) -> Reply:
    """``DELETE /attachments/{id}``: erased now, with certificate."""
    certificate = call.services.purge.erase(call.actor, AttachmentId(call.path["id"]), Reason.ERASED)
    return Reply(204, headers={"Location": f"/api/v1/certificates/{certificate.id}"})


def routes() -> list[Route]:
    """The routes of attachments."""
    tag = "attachments"
    content, any_type = "application/octet-stream", "*/*"
    read = (NotAllowed, NotFound, NotReady, Quarantined, AlreadyPurged, Damaged, Unavailable)
    return [
        Route(
            "POST", "/tickets/{ref}/attachments", "Send files by form", post_attachments, Kind.STREAM,
            {201: AttachmentsOut}, tag, problems=UPLOAD_PROBLEMS, sends="multipart/form-data",
        ),
        Route(
            "PUT", "/tickets/{ref}/attachments/{filename}", "Send one file, streamed", put_attachment, Kind.STREAM,
            {201: AttachmentOut}, tag, problems=UPLOAD_PROBLEMS, sends=content,
        ),
        Route(
            "GET", "/tickets/{ref}/attachments", "A ticket's attachments", list_attachments, Kind.READ,
            {200: AttachmentsOut}, tag, problems=(NotAllowed, NotFound),
        ),
        Route(
            "GET", "/tickets/{ref}/attachments.zip", "All available files of a ticket", get_archive, Kind.STREAM,
            {200: "application/zip"}, tag, problems=read,
        ),
        Route(
            "GET", "/attachments/{id}", "One attachment", get_attachment, Kind.READ, {200: AttachmentOut}, tag,
            problems=(NotAllowed, NotFound),
        ),
        Route(
            "GET", "/attachments/{id}/content", "The bytes", send_by, Kind.STREAM,
            {200: any_type, 206: any_type, 304: None}, tag, problems=(*read, RangeNotSatisfiable),
        ),
        Route(
            "HEAD", "/attachments/{id}/content", "What the bytes' answer would say", send_by, Kind.STREAM,
            {200: None}, tag, problems=read,
        ),
        Route(
            "DELETE", "/attachments/{id}", "Erase now, with certificate", erase_attachment, Kind.THREAD, {204: None},
            tag, problems=(NotAllowed, NotFound, AlreadyPurged, UnderHold),
        ),
    ]  # fmt: skip
