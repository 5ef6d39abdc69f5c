"""The few static files, and the choice of a language."""

from __future__ import annotations

from aiohttp import web

from domain.errors import BadInput, NotFound
from web import bodies
from web.pages import LANGUAGE_COOKIE
from web.services import SERVICES

YEAR = 365 * 86_400


async def get_static(request: web.Request) -> web.Response:
    """``GET /static/{name}``."""
    found = request.app[SERVICES].pages.static(request.match_info["name"])
    if found is None:
        raise NotFound
    return found


async def choose_language(request: web.Request) -> web.Response:
    """``POST /language``: remembers the choice in a cookie, and goes back to the page it was made on."""
    services = request.app[SERVICES]
    services.csrf.check_origin(request)
    fields = bodies.parse_form(await bodies.read(request))
    if services.pages.languages.get(fields.get("language")) is None:
        raise BadInput("This language is not one of ours.", field="language")
    back = fields.get("back", "/")
    # A path of our own, and nothing a browser could take for another host (S-62).
    if not back.startswith("/") or back.startswith(("//", "/\\")) or not back.isprintable() or not back.isascii():
        back = "/"
    response = web.Response(status=303, headers={"Location": services.base_path + back})
    response.set_cookie(
        LANGUAGE_COOKIE,
        fields["language"],
        path="/",
        max_age=YEAR,
        secure=services.sessions.secure,
        httponly=True,
        samesite="Lax",
    )
    return response
