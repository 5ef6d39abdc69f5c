"""The one space of addresses of uploads in pieces, and which of its two protocols a request speaks.

``Tus-Resumable`` makes it tus; ``Upload-Complete`` the IETF draft, which asks for offsets and cancels without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from web import resumable, tus
from web import resumable_fields as ietf
from web import tus_fields as fields
from web.intake import later
from web.services import SERVICES

OVERRIDE = "X-HTTP-Method-Override"
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def get_options(request: web.Request) -> web.StreamResponse:
    """``OPTIONS``: what both protocols offer. No word for other origins: pages of ours alone upload here."""
    size = request.app[SERVICES].max_file_size
    return web.Response(status=204, headers=tus.options(size) | resumable.options(size))


async def post_files(request: web.Request) -> web.StreamResponse:
    """``POST /u/{token}/files``: a new upload."""
    return await _either(request, tus.create, resumable.create, ietf.COMPLETE in request.headers)


async def patch_upload(request: web.Request) -> web.StreamResponse:
    """``PATCH /u/{token}/files/{upload}``: more of it."""
    draft = ietf.COMPLETE in request.headers or request.content_type == ietf.CONTENT_TYPE
    return await _either(request, tus.append, resumable.append, draft)


async def head_upload(request: web.Request) -> web.StreamResponse:
    """``HEAD`` and ``GET /u/{token}/files/{upload}``: how far it is."""
    return await _either(request, tus.offset, resumable.offset, True)


async def delete_upload(request: web.Request) -> web.StreamResponse:
    """``DELETE /u/{token}/files/{upload}``: an end to it."""
    return await _either(request, tus.terminate, resumable.cancel, True)


_OVERRIDDEN: dict[str, Answering] = {"PATCH": patch_upload, "HEAD": head_upload, "DELETE": delete_upload}


async def post_upload(request: web.Request) -> web.StreamResponse:
    """``POST /u/{token}/files/{upload}``: the method that ``X-HTTP-Method-Override`` names, where PATCH cannot pass."""
    work = _OVERRIDDEN.get(request.headers.get(OVERRIDE, "").upper())
    if work is None:
        raise web.HTTPMethodNotAllowed("POST", ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH"])
    return await work(request)


async def _either(request: web.Request, by_tus: Answering, by_draft: Answering, draft: bool) -> web.StreamResponse:
    """What is neither is taken for tus, which tells it the version it should have named."""
    if fields.RESUMABLE in request.headers or not draft:
        return await by_tus(request)
    return await by_draft(request)


def add_routes(router: web.UrlDispatcher) -> None:
    """The routes of uploads in pieces."""
    files, upload = "/u/{token}/files", "/u/{token}/files/{upload}"
    for path in (files, upload):
        router.add_route("OPTIONS", path, get_options)
    router.add_post(files, post_files, expect_handler=later)
    router.add_route("PATCH", upload, patch_upload, expect_handler=later)
    router.add_post(upload, post_upload, expect_handler=later)
    router.add_get(upload, head_upload)
    router.add_delete(upload, delete_upload)
