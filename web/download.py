"""Download links: a landing page that never counts, a button that does, and bytes within the grant it gives (S-51)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Literal

from aiohttp import web

from crypto import TokenPurpose, is_token, token_digest
from domain.attachment import Attachment
from domain.errors import CodeNeeded, LinkUnknown, RateLimited, Refused, WrongPasscode
from domain.ids import GrantId
from domain.link import Grant, Link
from links import CodeProof, DownloadPage, PasscodeProof
from storage import Unit
from transfer import Reading
from web import bodies
from web.api.attachments import shown_state
from web.api.shapes import Instant
from web.content import head_attachment, send_attachment
from web.dispatch import respond
from web.pages import wants_page
from web.services import SERVICES, Services
from web.spec import Reply, Shape
from web.tokens import address_digest, limited, prove_passcode, reading, record, writing

COOKIE = "bilaga-grant"


class DownloadTermsOut(Shape):
    """What a download link gives. Three dates: the link's end, the last one of access, the erasure of the bytes."""

    name: str | None
    size: int | None
    media_type: str | None
    sha256: str | None
    state: str
    expires_at: Instant
    downloads_left: int | None
    erased_on: Instant | None
    passcode: bool
    code: bool


Stage = Literal["ready", "code"]


def _page(
    request: web.Request, page: DownloadPage, *, stage: Stage = "ready", status: int = 200, wrong: str | None = None
) -> web.Response:
    services = request.app[SERVICES]
    return services.pages.answer(
        request,
        "download.html",
        status=status,
        link=page.link.language,
        page=page,
        attachment=page.attachment,
        terms=page.link.terms,
        stage=stage,
        wrong=wrong,
    )


async def get_landing(request: web.Request) -> web.StreamResponse:
    """``GET /d/{token}``: names, sizes, dates, a button. Counts nothing, starts nothing."""
    services = request.app[SERVICES]
    token = request.match_info["token"]
    page = await reading(request, token, lambda unit: services.redeeming.download_page(unit, token))
    await limited(request, page.link)
    if wants_page(request):
        return _page(request, page)
    row = page.attachment
    terms = DownloadTermsOut(
        name=None if page.passcode_needed or page.code_needed else page.name,
        size=row.size,
        media_type=row.media_type,
        sha256=None if page.passcode_needed or page.code_needed or row.sha256 is None else row.sha256.hex(),
        state=shown_state(row.state),
        expires_at=page.link.terms.expires_at,
        downloads_left=page.downloads_left,
        erased_on=page.erased_at,
        passcode=page.passcode_needed,
        code=page.code_needed,
    )
    return respond(Reply(200, terms))


async def post_button(request: web.Request) -> web.StreamResponse:
    """``POST /d/{token}``: with passcode and code where they are asked for, counts one download and gives a grant."""
    services = request.app[SERVICES]
    token = request.match_info["token"]
    services.csrf.check_origin(request)
    fields = await _fields(request)
    page = await reading(request, token, lambda unit: services.redeeming.download_page(unit, token))
    await limited(request, page.link)
    people = wants_page(request)
    try:
        passcode = await prove_passcode(request, page.link, fields.get("passcode"))
        code = await _prove_code(request, page, fields)
    except WrongPasscode as error:
        if not people:
            raise
        return _page(request, page, status=403, wrong="passcode" if fields.get("passcode") else error.code)
    except CodeNeeded:
        if not people:
            raise
        return _page(request, page, stage="code", status=403 if fields.get("code") else 200, wrong=_wrong_code(fields))
    _, grant = await _take(request, token, passcode, code)
    return web.Response(status=303, headers={"Location": f"{services.base_path}/g/{grant}"})


def _wrong_code(fields: dict[str, str]) -> str | None:
    return "code" if fields.get("code") else None


async def _fields(request: web.Request) -> dict[str, str]:
    raw = await bodies.read(request)
    if request.content_type == "application/json":
        return {name: str(value) for name, value in bodies.parse(raw).items()} if raw else {}
    return bodies.parse_form(raw)


async def _prove_code(request: web.Request, page: DownloadPage, fields: dict[str, str]) -> CodeProof | None:
    """The proof of a right code; without one given, a code is mailed. Raises CodeNeeded, RateLimited."""
    if not page.code_needed:
        return None
    services = request.app[SERVICES]
    link, given = page.link, fields.get("code")
    if not given:
        compose = partial(_letter, services, request, link)
        try:
            await services.hop.write(lambda unit: services.codes.send(unit, link, compose))
        except RateLimited:
            # One was sent within the minute: it is on its way, and asking again changes nothing.
            raise CodeNeeded(field="code") from None
        raise CodeNeeded(field="code")
    digest = address_digest(request)
    proof = await services.hop.write(lambda unit: services.codes.check(unit, link, given, digest))
    if proof is None:
        raise CodeNeeded("The code is wrong, used, or too old.", field="code")
    return proof


def _letter(services: Services, request: web.Request, link: Link, code: str) -> tuple[str, str]:
    language = services.pages.language(request, link.language)
    subject = language.text("Your code for a file: %(code)s", code=code)
    text = services.pages.mail("code.txt", language, code=code, host=services.public_url)
    return subject, text


async def _take(
    request: web.Request, token: str, passcode: PasscodeProof | None, code: CodeProof | None
) -> tuple[Grant, str]:
    services = request.app[SERVICES]
    digest = address_digest(request)

    def take(unit: Unit) -> tuple[Grant, str]:
        return services.redeeming.take(unit, token, address_digest=digest, passcode=passcode, code=code)

    return await writing(request, token, take)


async def get_content(request: web.Request) -> web.StreamResponse:
    """``GET``/``HEAD /d/{token}/content``: for programs. The first GET takes a grant; within it nothing is counted."""
    services = request.app[SERVICES]
    token = request.match_info["token"]
    services.rates.hit("address", services.addresses.client(request))
    # Before the link itself is asked: it may have been used up by the very grant that this client holds.
    held = await services.hop.read(lambda unit: _held(services, unit, token, request.cookies.get(COOKIE)))
    if held is not None:
        return await _by_grant(request, held)
    link, row = await reading(request, token, lambda unit: services.redeeming.download(unit, token))
    services.rates.hit("link", link.id)
    passcode = await prove_passcode(request, link, None)
    if link.recipient_sealed is not None:
        raise CodeNeeded("This link is for its recipient, who gets a code by mail on the link's page.")
    if request.method == "HEAD":
        return await head_attachment(request, Reading.by_grant(_preview(link, row, services.clock())), row.id)
    grant, grant_token = await _take(request, token, passcode, None)

    def dress(response: web.StreamResponse) -> None:
        response.set_cookie(
            COOKIE,
            grant_token,
            path=request.path,
            max_age=int((grant.expires_at - grant.created_at).total_seconds()),
            secure=services.sessions.secure,
            httponly=True,
            samesite="Lax",
        )

    extra = {"Content-Location": f"{services.base_path}/g/{grant_token}"}
    return await send_attachment(request, Reading.by_grant(grant), row.id, extra=extra, dress=dress)


def _held(services: Services, unit: Unit, token: str, cookie: str | None) -> Grant | None:
    """The grant of this client's cookie, if it is of this link and still gives anything."""
    if cookie is None or not is_token(TokenPurpose.GRANT, cookie) or not is_token(TokenPurpose.DOWNLOAD, token):
        return None
    try:
        grant = services.redeeming.grant(unit, cookie)
    except Refused:
        return None
    link = unit.links.by_digest(token_digest(token))
    return grant if link is not None and link.id == grant.link_id else None


async def get_grant(request: web.Request) -> web.StreamResponse:
    """``GET``/``HEAD /g/{grant}``: the short-lived content address of one redemption."""
    services = request.app[SERVICES]
    token = request.match_info["grant"]
    if not is_token(TokenPurpose.GRANT, token):
        raise LinkUnknown
    services.rates.hit("address", services.addresses.client(request))
    grant = await reading(request, token, lambda unit: services.redeeming.grant(unit, token))
    return await _by_grant(request, grant, token)


async def _by_grant(request: web.Request, grant: Grant, token: str | None = None) -> web.StreamResponse:
    reader = Reading.by_grant(grant)
    if request.method == "HEAD":
        return await head_attachment(request, reader, grant.attachment_id)
    try:
        return await send_attachment(request, reader, grant.attachment_id)
    except Refused as refusal:
        if token is not None:
            await record(request.app[SERVICES], token, refusal)
        raise


def _preview(link: Link, row: Attachment, now: datetime) -> Grant:
    """A grant that is in no row and gives no byte: what HEAD looks with."""
    return Grant(GrantId(""), link.id, row.id, now, now, 0, 0)
