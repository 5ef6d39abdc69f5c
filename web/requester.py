"""The requester's way in: the upload page, the form, and the plain stream. The link is the only credential."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from domain.attachment import Attachment, Source
from domain.errors import BadInput, WrongPasscode
from domain.link import Link
from keys import ATTACHMENT
from links import PasscodeProof, UploadGrant
from storage import Unit
from transfer import Incoming, Received
from web import resumable_fields
from web.api.attachments import shown_state
from web.api.shapes import Instant
from web.dispatch import respond
from web.idempotency import once_of
from web.intake import Intake, name_in_path
from web.pages import wants_page
from web.services import SERVICES, Services
from web.spec import Reply, Shape
from web.tokens import limited, prove_passcode, reading


class SentOut(Shape):
    """A file as its requester sees it."""

    id: str
    name: str | None
    size: int | None
    media_type: str | None
    sha256: str | None
    state: str


class SentFileOut(SentOut):
    """The answer to one streamed file, with the address of its receipt."""

    receipt_url: str


class SentFilesOut(Shape):
    """The answer to a form, with the address of the receipt."""

    attachments: list[SentOut]
    receipt_url: str


class UploadTermsOut(Shape):
    """What an upload link takes."""

    ticket: str
    expires_at: Instant
    max_file_size: int
    files_left: int | None
    bytes_left: int | None
    allowed_types: list[str]
    passcode: bool


def sent_out(services: Services, unit: Unit, row: Attachment) -> SentOut:
    """A file as its requester sees it."""
    name = None
    if row.name_sealed is not None:
        name = services.keys.open_text(unit, row.id, ATTACHMENT, "name", row.name_sealed)
    return SentOut(
        id=row.id,
        name=name,
        size=row.size,
        media_type=row.media_type,
        sha256=row.sha256.hex() if row.sha256 else None,
        state=shown_state(row.state),
    )


async def get_page(request: web.Request) -> web.StreamResponse:
    """``GET /u/{token}``: the upload page, or its terms as JSON. Changes nothing (S-51)."""
    services = request.app[SERVICES]
    token = request.match_info["token"]
    page = await reading(request, token, lambda unit: services.redeeming.upload_page(unit, token))
    grant = page.grant
    await limited(request, grant.link)
    if wants_page(request):
        return services.pages.answer(
            request,
            "upload.html",
            link=grant.link.language,
            page=page,
            grant=grant,
            terms=grant.link.terms,
            ticket=grant.ticket,
            max_file_size=services.max_file_size,
            scanned=services.scanner is not None,
            put_url=f"{services.public_url}/u/{token}/put/",
            host=urlsplit(services.public_url).netloc,
        )
    terms = UploadTermsOut(
        ticket=grant.ticket.ref,
        expires_at=grant.link.terms.expires_at,
        max_file_size=services.max_file_size,
        files_left=grant.files_left,
        bytes_left=grant.bytes_left,
        allowed_types=list(grant.link.terms.allowed_types),
        passcode=page.passcode_needed,
    )
    return respond(Reply(200, terms))


class Sender:
    """One request by an upload link: opens the link, with its passcode where it has one."""

    def __init__(self, request: web.Request, grant: UploadGrant) -> None:
        self._request = request
        self._grant = grant
        self._proof: PasscodeProof | None = None

    async def passcode(self, name: str, value: str) -> None:
        """A field of the form: the passcode, before the files; others are the browser's own and of no meaning."""
        if name == "passcode" and value and self._link.passcode_hash is not None:
            self._proof = await prove_passcode(self._request, self._link, value)

    async def by_header(self) -> None:
        """The passcode of a program. Raises WrongPasscode."""
        self._proof = await prove_passcode(self._request, self._link, None)

    def incoming(self) -> Incoming:
        """For ``transfer``, which says whether there is room: who brings files where. Raises WrongPasscode."""
        link = self._link
        if link.passcode_hash is not None and (self._proof is None or not self._proof.fits(link)):
            raise WrongPasscode("This link has a passcode.", field="passcode")
        return self.again()

    def again(self) -> Incoming:
        """As ``incoming``, for an upload that was begun: its address was given for the passcode."""
        link = self._link
        return Incoming(
            self._grant.actor, self._grant.ticket.id, Source.REQUESTER, link, allowed_types=link.terms.allowed_types
        )

    @property
    def _link(self) -> Link:
        return self._grant.link


async def sender_of(request: web.Request, *, counted: bool = True) -> tuple[Sender, Services, str]:
    """Whoever sends by the link of the path. ``counted``: the request counts against the limits (S-49).

    Raises LinkUnknown, LinkExpired, LinkRevoked, RateLimited.
    """
    services = request.app[SERVICES]
    token = request.match_info["token"]
    # A full link too: 409 to whoever sends too many, and the first answer to the request that filled it (S-4).
    page = await reading(request, token, lambda unit: services.redeeming.upload_page(unit, token, sending=True))
    if counted:
        await limited(request, page.grant.link)
    return Sender(request, page.grant), services, token


async def post_form(request: web.Request) -> web.StreamResponse:
    """``POST /u/{token}``: a form with one file or many, taken whole or not at all."""
    sender, services, token = await sender_of(request)
    if "Bilaga-Passcode" in request.headers:
        await sender.by_header()

    def answering(unit: Unit, received: Received) -> Reply:
        sent = [sent_out(services, unit, file.attachment) for file in received.files]
        return Reply(201, SentFilesOut(attachments=sent, receipt_url=_receipt_url(services, received)))

    intake = Intake(request, sender.incoming, answering, once_of(request, services, token, None))
    reply = await intake.form(sender.passcode)
    if not wants_page(request):
        return respond(reply)
    body = reply.body.model_dump() if reply.body is not None else {}
    receipt = str(body["receipt_url"]).removeprefix(services.public_url)
    return web.Response(status=303, headers={"Location": f"{services.base_path}{receipt}"})


async def put_file(request: web.Request) -> web.StreamResponse:
    """``PUT /u/{token}/put/{filename}``: one file, streamed, as ``curl -T file URL/u/TOKEN/put/`` sends it."""
    if resumable_fields.boolean(request, resumable_fields.COMPLETE) is False:
        # Taken for the whole, a first piece would be a broken file that was acknowledged.
        raise BadInput("Uploads in pieces begin at /u/TOKEN/files.", field=resumable_fields.COMPLETE)
    sender, services, token = await sender_of(request)
    await sender.by_header()

    def answering(unit: Unit, received: Received) -> Reply:
        sent = sent_out(services, unit, received.files[0].attachment)
        return Reply(201, SentFileOut(**sent.model_dump(), receipt_url=_receipt_url(services, received)))

    intake = Intake(request, sender.incoming, answering, once_of(request, services, token, None))
    return respond(await intake.stream(name_in_path(request)))


def _receipt_url(services: Services, received: Received) -> str:
    return f"{services.public_url}/r/{received.receipt_token}"
