"""Signing in by a one-time link, and out. Opening it spends nothing: scanners open links, people press buttons."""

from __future__ import annotations

from aiohttp import web

from crypto import TokenPurpose, is_token
from domain.errors import LinkUnknown
from web import bodies
from web.csrf import FIELD
from web.identity import identify, presented
from web.services import SERVICES


async def get_sign_in(request: web.Request) -> web.StreamResponse:
    """``GET /signin/{token}``: a page with a button."""
    services = request.app[SERVICES]
    token = request.match_info["token"]
    services.rates.hit("address", services.addresses.client(request))
    if not await services.hop.read(lambda unit: services.people.knows(unit, token)):
        raise LinkUnknown
    return services.pages.answer(request, "signin.html")


async def post_sign_in(request: web.Request) -> web.StreamResponse:
    """``POST /signin/{token}``: spends the link and begins a session."""
    services = request.app[SERVICES]
    token = request.match_info["token"]
    services.csrf.check_origin(request)
    services.rates.hit("address", services.addresses.client(request))
    await bodies.read(request)
    if not is_token(TokenPurpose.SIGN_IN, token):
        raise LinkUnknown
    made = await services.hop.write(lambda unit: services.people.sign_in(unit, token))
    response = web.Response(status=303, headers={"Location": f"{services.base_path}/agent"})
    services.sessions.set(response, made.token)
    return response


async def post_sign_out(request: web.Request) -> web.StreamResponse:
    """``POST /signout``: the session is over at once, on every node."""
    services = request.app[SERVICES]
    fields = bodies.parse_form(await bodies.read(request))
    who = presented(request, services.sessions)
    response = web.Response(status=303, headers={"Location": f"{services.base_path}/signin"})
    if who is not None and who.by_cookie:
        services.csrf.check(request, who.token, fields.get(FIELD))
        now, granted = services.clock(), services.granted
        identity = await services.hop.read(lambda unit: identify(unit, who, now, granted))
        await services.hop.write(lambda unit: services.people.sign_out(unit, identity.credential, identity.actor))
    services.sessions.clear(response)
    if services.sessions.secure:
        response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
    return response


async def get_signed_out(request: web.Request) -> web.StreamResponse:
    """``GET /signin``: how to get in."""
    return request.app[SERVICES].pages.answer(request, "signed-out.html")


def add_routes(router: web.UrlDispatcher) -> None:
    """The routes of signing in."""
    router.add_get("/signin", get_signed_out)
    router.add_get("/signin/{token}", get_sign_in)
    router.add_post("/signin/{token}", post_sign_in)
    router.add_post("/signout", post_sign_out)
