"""The receipt: what a requester sent, what becomes of it, who took it; and taking it back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aiohttp import web

from crypto import TokenPurpose, is_token, token_digest
from domain.actor import EVERYTHING, Actor, Role
from domain.attachment import LIVE, Attachment, AttachmentState
from domain.errors import AlreadyPurged, LinkUnknown, NotFound, UnderHold
from domain.event import EventKind
from domain.ids import AttachmentId
from domain.link import Receipt
from retention import Reason
from storage import JournalFilter, Unit
from web import bodies
from web.api.shapes import Instant
from web.dispatch import respond, validated
from web.pages import wants_page
from web.requester import SentOut, sent_out
from web.services import SERVICES, Services
from web.spec import Reply, Shape

DOWNLOADS_SHOWN = 50


class TakenOut(Shape):
    """A download: when, and by what kind of actor (``requester``: whoever held a download link)."""

    at: Instant
    by: str


class ReceivedOut(SentOut):
    """A file on its receipt. ``erased_on`` null: kept while the contract runs; ``rule`` says by what."""

    scan: str
    received_at: Instant
    erased_on: Instant | None
    rule: str
    held: bool
    purged_at: Instant | None
    certificate: str | None
    downloads: list[TakenOut]


class ReceiptOut(Shape):
    """A receipt."""

    reference: str
    ticket: str
    received_at: Instant
    attachments: list[ReceivedOut]


class WithdrawIn(Shape):
    """Which file to take back; none named: all of the receipt's."""

    attachment: str | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """``coming``: claims of uploads under way."""

    receipt: Receipt
    done: list[Attachment]
    coming: list[Attachment]

    @property
    def rows(self) -> list[Attachment]:
        return self.done + self.coming


def _find(unit: Unit, token: str) -> _Found:
    receipt = unit.receipts.by_digest(token_digest(token)) if is_token(TokenPurpose.RECEIPT, token) else None
    if receipt is None:
        raise LinkUnknown
    under_way = [
        (upload, unit.attachments.get(upload.attachment_id, EVERYTHING))
        for upload in unit.uploads_found.of_receipt(receipt.id)
    ]
    coming = [
        replace(row, state=AttachmentState.DAMAGED) if upload.is_damaged else row
        for upload, row in under_way
        if row is not None
    ]
    return _Found(receipt, list(unit.attachments.of_receipt(receipt.id)), coming)


def _taken(unit: Unit, attachment_id: AttachmentId) -> list[TakenOut]:
    what = JournalFilter(kind=EventKind.DOWNLOAD_STARTED.value, subject=attachment_id)
    found = unit.journal.find(what, before=None, limit=DOWNLOADS_SHOWN)
    return [TakenOut(at=entry.at, by=_role(entry.body)) for entry in found]


def _role(body: bytes) -> str:
    return str(bodies.parse(body)["actor"]["role"])


def _show(services: Services, unit: Unit, token: str) -> ReceiptOut:
    found = _find(unit, token)
    ticket = unit.tickets.by_id(found.receipt.ticket_id, EVERYTHING)
    if ticket is None:
        raise LinkUnknown
    held = unit.holds.held(ticket.id)
    shown = [
        ReceivedOut(
            **sent_out(services, unit, row).model_dump(),
            scan=row.scan.value,
            received_at=row.created_at,
            erased_on=ticket.purge_due_at if row.state in LIVE else None,
            rule=ticket.retention_rule,
            held=held,
            purged_at=row.purged_at,
            certificate=row.certificate_id,
            downloads=_taken(unit, row.id),
        )
        for row in found.rows
    ]
    return ReceiptOut(
        reference=found.receipt.id, ticket=ticket.ref, received_at=found.receipt.created_at, attachments=shown
    )


async def get_receipt(request: web.Request) -> web.StreamResponse:
    """``GET /r/{receipt}``."""
    services = request.app[SERVICES]
    token = request.match_info["receipt"]
    shown = await services.hop.read(lambda unit: _show(services, unit, token))
    services.rates.hit("address", services.addresses.client(request))
    if wants_page(request):
        return services.pages.answer(request, "receipt.html", receipt=shown, withdraw=f"/r/{token}/withdraw")
    return respond(Reply(200, shown))


async def post_withdraw(request: web.Request) -> web.StreamResponse:
    """``POST /r/{receipt}/withdraw``: erased as by a purge, with certificate; its links die at once. Of what is still
    under way nothing is kept either."""
    services = request.app[SERVICES]
    token = request.match_info["receipt"]
    services.rates.hit("address", services.addresses.client(request))
    said = await _said(request)
    found = await services.hop.read(lambda unit: _find(unit, token))
    wanted = [row for row in found.rows if said.attachment in {None, row.id}]
    if not wanted:
        raise NotFound("This receipt has no such file.", field="attachment")
    # One whose erasure a crash interrupted is among them: asking again carries it through.
    living = [row for row in wanted if row.state is not AttachmentState.PURGED]
    if not living:
        raise AlreadyPurged
    actor = Actor(Role.REQUESTER, ticket_id=found.receipt.ticket_id)
    for row in living:
        if row in found.coming:
            if await services.hop.read(lambda unit: unit.holds.held(found.receipt.ticket_id)):
                raise UnderHold
            if await services.hop.call(services.resuming.take_back, row.id):
                continue
        await services.hop.call(services.purge.erase, actor, row.id, Reason.WITHDRAWN)
    if wants_page(request):
        return web.Response(status=303, headers={"Location": f"{services.base_path}/r/{token}"})
    return respond(Reply(200, await services.hop.read(lambda unit: _show(services, unit, token))))


async def _said(request: web.Request) -> WithdrawIn:
    if request.content_type == "application/x-www-form-urlencoded":
        fields = bodies.parse_form(await bodies.read(request))
        fields.pop("csrf", None)
        return validated(WithdrawIn, {name: value for name, value in fields.items() if value})
    _, value = await bodies.read_json(request)
    return validated(WithdrawIn, value)
