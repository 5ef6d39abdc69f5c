"""The application: every address there is, and what answers it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from aiohttp import web

from web import agent, download, health, hooks, receipt, requester, resumable_space, signin, static
from web.api import attachments, audit, holds, links, retention, subjects, tickets
from web.dispatch import handler
from web.guard import MIDDLEWARES
from web.intake import later
from web.openapi import BASE, Description
from web.services import SERVICES, Services
from web.spec import Kind, Route, pattern


def api_routes() -> list[Route]:
    """All routes of the API, the more exact paths first."""
    modules = (tickets, links, attachments, holds, retention, audit, subjects)
    return [route for module in modules for route in module.routes()]


def build(
    services: Services, *, version: str, background: Callable[[object], AsyncIterator[None]] | None = None
) -> web.Application:
    """The application around its services. ``background`` runs beside it: started before, ended after serving."""
    # Streamed bodies are metered where they are taken in; nothing uses aiohttp's own reading but small requests.
    application = web.Application(middlewares=MIDDLEWARES, client_max_size=1 << 20)
    application[SERVICES] = services
    if background is not None:
        application.cleanup_ctx.append(background)
    router = application.router
    _api(router, version)
    _people(router)
    readiness = health.Readiness()
    router.add_get("/healthz", health.healthz)
    router.add_get("/readyz", readiness.readyz)
    router.add_get("/metrics", health.metrics)
    router.add_get("/static/{name}", static.get_static)
    router.add_post("/language", static.choose_language)
    return application


def _api(router: web.UrlDispatcher, version: str) -> None:
    routes = api_routes()
    for route in routes:
        expect = later if route.kind is Kind.STREAM and route.sends is not None else None
        router.add_route(route.method, pattern(BASE + route.path), handler(route), expect_handler=expect)
    description = Description(routes, version)
    router.add_get("/api/openapi.json", description.get_document)
    router.add_get("/api/docs", description.get_page)


def _people(router: web.UrlDispatcher) -> None:
    router.add_get("/u/{token}", requester.get_page)
    router.add_post("/u/{token}", requester.post_form, expect_handler=later)
    router.add_put(pattern("/u/{token}/put/{filename}"), requester.put_file, expect_handler=later)
    resumable_space.add_routes(router)
    router.add_get("/r/{receipt}", receipt.get_receipt)
    router.add_post("/r/{receipt}/withdraw", receipt.post_withdraw)
    router.add_get("/d/{token}", download.get_landing)
    router.add_post("/d/{token}", download.post_button)
    router.add_get("/d/{token}/content", download.get_content)
    router.add_get("/g/{grant}", download.get_grant)
    router.add_post(pattern("/hooks/{connector}"), hooks.post_hook)
    signin.add_routes(router)
    agent.add_routes(router)
