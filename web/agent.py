"""The pages of whoever is signed in: tickets, their attachments and links, and plain forms for what can be done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from aiohttp import web

from domain.actor import Action
from domain.errors import BadInput, BilagaError, LoginRequired, NotFound
from domain.ids import AttachmentId, LinkId, TicketId
from domain.link import LinkKind
from domain.ticket import TicketStatus
from storage import TicketFilter, Unit
from tickets import TicketView
from transfer import Received
from web import bodies
from web.api.attachments import attachment_out, get_archive, incoming_of, send_by
from web.csrf import FIELD
from web.dispatch import record_refusal
from web.identity import Identity, identify, presented
from web.intake import Intake
from web.services import SERVICES, Services
from web.spec import Nothing, Reply, pattern

PAGE = 50
Worker = Callable[[web.Request, Identity], Awaitable[web.StreamResponse]]


def signed_in(worker: Worker, *, form: bool = False) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A page for whoever has a session; others are shown how to get one. ``form``: the CSRF token is in the body."""

    async def handle(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        who = presented(request, services.sessions)
        now, granted = services.clock(), services.granted
        try:
            if who is None or not who.by_cookie:
                raise LoginRequired
            identity = await services.hop.read(lambda unit: identify(unit, who, now, granted))
        except LoginRequired:
            return web.Response(status=303, headers={"Location": f"{services.base_path}/signin"})
        if form:
            request[FIELDS] = bodies.parse_form(await bodies.read(request))
            services.csrf.check(request, who.token, request[FIELDS].pop(FIELD, None))
        await services.hop.write(lambda unit: services.people.stay(unit, identity.credential))
        try:
            return await worker(request, identity)
        except BilagaError as error:
            await record_refusal(services, identity.actor, f"{request.method} {_route(request)}", error)
            raise

    return handle


FIELDS: web.RequestKey[dict[str, str]] = web.RequestKey("form-fields", dict)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def _common(request: web.Request, identity: Identity) -> dict[str, Any]:
    services = request.app[SERVICES]
    who = presented(request, services.sessions)
    return {
        "csrf": services.csrf.token(who.token) if who is not None else "",
        "name": services.people.name(identity.credential.principal),
        "role": identity.actor.role.value,
        "may": {action.value.replace("-", "_"): identity.actor.may(action) for action in Action},
    }


async def get_tickets(request: web.Request, identity: Identity) -> web.StreamResponse:
    """``GET /agent``: tickets, narrowed by reference, status, and what is due or held; the state is in the URL."""
    services = request.app[SERVICES]
    query = dict(request.query)
    status = query.get("status") or None
    if status is not None and status not in set(TicketStatus):
        raise BadInput(field="status")
    what = TicketFilter(status=TicketStatus(status) if status else None, held=True if query.get("held") else None)
    after = services.cursors.read("agent", query.get("cursor") or None)
    ref = (query.get("ref") or "").strip()

    def work(unit: Unit) -> list[TicketView]:
        if ref:
            found = unit.tickets.get(ref, identity.actor.scope(Action.READ_TICKET))
            return [] if found is None else [services.view.open_ticket(unit, found)]
        last = TicketId(after) if after else None
        return list(services.view.page(unit, identity.actor, what, after=last, limit=PAGE + 1))

    rows = await services.hop.read(work)
    shown, cursor = services.cursors.page("agent", rows, PAGE, lambda row: row.ticket.id)
    return services.pages.answer(
        request,
        "tickets.html",
        tickets=shown,
        cursor=cursor,
        query={"ref": ref, "status": status or "", "held": query.get("held") or ""},
        **_common(request, identity),
    )


async def get_ticket(request: web.Request, identity: Identity) -> web.StreamResponse:
    """``GET /agent/tickets/{ref}``: one ticket."""
    return await _ticket_page(request, identity, None)


async def _ticket_page(
    request: web.Request, identity: Identity, new_link: Mapping[str, Any] | None, status: int = 200
) -> web.Response:
    services = request.app[SERVICES]
    ref = request.match_info["ref"]

    def work(unit: Unit) -> dict[str, Any]:
        ticket = services.view.find_ticket(unit, identity.actor, ref)
        rows = unit.attachments.of_ticket(ticket.id, identity.actor.scope(Action.READ_TICKET))
        links = services.listing.of_ticket(unit, identity.actor, ref) if identity.actor.may(Action.REVOKE_LINK) else []
        reader = identity.actor.may(Action.READ_FILE)
        holds = [(hold, services.holds.open_reason(unit, hold)) for hold in unit.holds.on_ticket(ticket.id)]
        return {
            "ticket": services.view.open_ticket(unit, ticket),
            "attachments": [attachment_out(services, unit, row, ref, reader=reader) for row in rows],
            "links": links,
            "holds": holds,
        }

    found = await services.hop.read(work)
    return services.pages.answer(
        request,
        "ticket.html",
        status=status,
        here=f"/agent/tickets/{quote(ref, safe='')}",
        now=services.clock(),
        new_link=new_link,
        sends_mail=services.sends_mail,
        **found,
        **_common(request, identity),
    )


async def post_upload_link(request: web.Request, identity: Identity) -> web.StreamResponse:
    """Make an upload link, and show its address this once."""
    services = request.app[SERVICES]
    fields = request[FIELDS]
    issued = await services.hop.write(
        lambda unit: services.issuing.upload(
            unit,
            identity.actor,
            request.match_info["ref"],
            expires_in=fields.get("expires_in") or None,
            max_files=_number(fields, "max_files"),
            language=fields.get("language") or None,
            note=fields.get("note") or None,
        )
    )
    return await _ticket_page(request, identity, _new_link(services, LinkKind.UPLOAD, issued.token, issued.link), 201)


async def post_download_link(request: web.Request, identity: Identity) -> web.StreamResponse:
    """Make a download link for one attachment, and show its address this once."""
    services = request.app[SERVICES]
    fields = request[FIELDS]
    recipient = fields.get("recipient") or None
    if recipient is not None and not services.sends_mail:
        raise BadInput("No mail server is configured.", field="recipient")
    issued = await services.hop.write(
        lambda unit: services.issuing.download(
            unit,
            identity.actor,
            AttachmentId(fields.get("attachment", "")),
            expires_in=fields.get("expires_in") or None,
            max_downloads=_number(fields, "max_downloads"),
            recipient=recipient,
        )
    )
    return await _ticket_page(request, identity, _new_link(services, LinkKind.DOWNLOAD, issued.token, issued.link), 201)


def _new_link(services: Services, kind: LinkKind, token: str, link: Any) -> dict[str, Any]:
    return {"url": services.link_url(kind, token), "kind": kind.value, "expires_at": link.terms.expires_at}


def _number(fields: Mapping[str, str], name: str) -> int | None:
    text = (fields.get(name) or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise BadInput("This must be a whole number.", field=name)
    return int(text)


async def post_revoke(request: web.Request, identity: Identity) -> web.StreamResponse:
    """Revoke a link: effective at once."""
    services = request.app[SERVICES]
    link_id = LinkId(request[FIELDS].get("link", ""))
    await services.hop.write(lambda unit: services.revoking.revoke(unit, identity.actor, link_id))
    return _back(request, services)


async def post_files(request: web.Request, identity: Identity) -> web.StreamResponse:
    """An agent's own files, by form; the CSRF token comes first in it."""
    services = request.app[SERVICES]
    who = presented(request, services.sessions)
    incoming, _ = await incoming_of(request, identity)
    trusted = False

    async def field(name: str, value: str) -> None:
        nonlocal trusted
        if name == FIELD and who is not None:
            services.csrf.check(request, who.token, value)
            trusted = True

    def given() -> Any:
        if not trusted:
            services.csrf.check(request, who.token if who is not None else "", None)
        return incoming

    def answering(unit: Unit, received: Received) -> Reply:
        return Reply(201, Nothing())

    await Intake(request, given, answering, None).form(field)
    return _back(request, services)


async def get_content(request: web.Request, identity: Identity) -> web.StreamResponse:
    """An attachment's bytes, for the signed-in."""
    return await send_by(request, identity)


def _back(request: web.Request, services: Services) -> web.Response:
    ref = quote(request.match_info["ref"], safe="")
    return web.Response(status=303, headers={"Location": f"{services.base_path}/agent/tickets/{ref}"})


async def get_home(request: web.Request) -> web.StreamResponse:
    """``GET /``: to the tickets, for those who are signed in; nothing is here for others."""
    services = request.app[SERVICES]
    if presented(request, services.sessions) is None:
        raise NotFound
    return web.Response(status=303, headers={"Location": f"{services.base_path}/agent"})


def add_routes(router: web.UrlDispatcher) -> None:
    """The routes of the session page."""
    one = pattern("/agent/tickets/{ref}")
    router.add_get("/", get_home)
    router.add_get("/agent", signed_in(get_tickets))
    router.add_get(one, signed_in(get_ticket))
    router.add_get(one + "/attachments.zip", signed_in(get_archive))
    router.add_get("/agent/attachments/{id}/content", signed_in(get_content))
    router.add_post(one + "/upload-links", signed_in(post_upload_link, form=True))
    router.add_post(one + "/download-links", signed_in(post_download_link, form=True))
    router.add_post(one + "/revoke", signed_in(post_revoke, form=True))
    router.add_post(one + "/files", signed_in(post_files))
