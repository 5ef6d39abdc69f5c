"""The middlewares around every request: its id, its host, its errors, its headers, its line in the log.

Outermost first: ``watch`` (in flight, metrics, access log), ``headers`` (what every answer carries), ``translate``
(errors become problems or pages), ``known_host``.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable

from aiohttp import HttpVersion11, web

from domain.errors import (
    BadInput,
    BilagaError,
    Damaged,
    Draining,
    IncompleteBody,
    Misconfigured,
    Unavailable,
    UnknownHost,
)
from web import problems, resumable_fields, tus_fields
from web.body import CUT
from web.intake import waits
from web.pages import wants_page
from web.services import SERVICES

log = logging.getLogger(__name__)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request-id", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Probes name the node, not the site, so they are asked without the site's host name.
ANY_HOST = frozenset({"/healthz", "/readyz"})
DRAIN_BYTES = 1 << 20


def route_of(request: web.Request) -> str:
    """The route's template, never the path: our paths are keys (S-82)."""
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical


@web.middleware
async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Counts requests in flight for the drain, measures, and writes the access line."""
    services = request.app[SERVICES]
    request[REQUEST_ID] = secrets.token_hex(8)
    services.flight.silent.discard(request.protocol)
    started = time.monotonic()
    status = 499
    with services.flight.one():
        try:
            response = await handler(request)
            status = response.status
            if services.flight.draining:
                response.force_close()
            return response
        finally:
            seconds = time.monotonic() - started
            services.metrics.request(request.method, route_of(request), status, seconds)
            log.info(
                "request",
                extra={
                    "request_id": request[REQUEST_ID],
                    "method": request.method,
                    "route": route_of(request),
                    "status": status,
                    "seconds": round(seconds, 4),
                },
            )


@web.middleware
async def headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What every answer carries unless its maker said otherwise (S-54, S-65)."""
    response = await handler(request)
    if response.prepared:
        return response
    complete_headers(request, response)
    return response


def complete_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the fields every answer carries; streamed answers call it before they are prepared."""
    fields = response.headers
    if tus_fields.is_upload_space(request.path):
        _upload_fields(request, response)
    fields.setdefault("X-Content-Type-Options", "nosniff")
    fields.setdefault("Referrer-Policy", "no-referrer")
    fields.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    fields.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    fields.setdefault("Cache-Control", "no-store")
    fields.setdefault("X-Robots-Tag", "noindex")
    fields["Server"] = "bilaga"
    if request.app[SERVICES].sessions.secure:
        fields.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")


def _upload_fields(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer where uploads live names its protocol's version, errors too; a version that is not spoken is told
    the one that is; and a refusal for its size the limits."""
    fields = response.headers
    if resumable_fields.COMPLETE not in request.headers:
        fields.setdefault(tus_fields.RESUMABLE, tus_fields.VERSION)
    if response.status == 412:
        fields["Tus-Version"] = tus_fields.VERSION
    if response.status == 413:
        fields[resumable_fields.LIMIT] = resumable_fields.limit(request.app[SERVICES].max_file_size)


@web.middleware
async def translate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors become one problem each; anything unforeseen is a bug, logged with the request id and shown without."""
    request_id = request[REQUEST_ID]
    try:
        return await handler(request)
    except BilagaError as error:
        _note(error, request_id)
        problem = problems.of_error(_told(request, error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kept = {name: value for name, value in error.headers.items() if name in {"Allow", "Retry-After"}}
        problem = problems.of_status(error.status, kept)
    except (ConnectionResetError, asyncio.IncompleteReadError):
        problem = problems.of_error(_told(request, IncompleteBody()))
    except Exception:
        log.exception("unforeseen error", extra={"request_id": request_id, "route": route_of(request)})
        problem = problems.internal()
    if wants_page(request):
        response = request.app[SERVICES].pages.problem(request, problem, request_id)
    else:
        response = problems.answer(problem, request_id)
    if request.version < HttpVersion11:
        response.force_close()
    await _rest_of_body(request, response)
    return response


def _told(request: web.Request, error: BilagaError) -> BilagaError:
    """A body that breaks off because the service ends is no fault of its sender, who is to try again: 503, not 400."""
    if isinstance(error, IncompleteBody) and request.app[SERVICES].flight.draining:
        return Draining()
    return error


def _note(error: BilagaError, request_id: str) -> None:
    extra = {"request_id": request_id, "code": error.code}
    if isinstance(error, Damaged | Misconfigured):
        log.error("integrity failure", extra=extra, exc_info=error)
    elif isinstance(error, Unavailable) and not isinstance(error, Draining):
        log.warning("dependency unavailable", extra=extra, exc_info=error)


async def _rest_of_body(request: web.Request, response: web.StreamResponse) -> None:
    """Take in what is left of a refused body up to a limit, so that the client reads the answer; else close (S-3)."""
    if request.get(CUT):
        response.force_close()
        return
    if request.content.at_eof() or not request.can_read_body:
        return
    if waits(request):
        response.force_close()
        return
    left = DRAIN_BYTES
    try:
        async with asyncio.timeout(5):
            while left > 0 and (chunk := await request.content.readany()):
                left -= len(chunk)
    except (TimeoutError, ConnectionError, web.HTTPException, ValueError):
        left = 0
    if left <= 0:
        response.force_close()


@web.middleware
async def known_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Only configured hosts are answered (S-2, 421), and no chunked body of HTTP/1.0 (S-78; RFC 9112, section 6.1)."""
    if request.version < HttpVersion11 and "Transfer-Encoding" in request.headers:
        raise BadInput("HTTP/1.0 knows no chunked bodies.")
    if request.path not in ANY_HOST and request.host.lower() not in request.app[SERVICES].hosts:
        raise UnknownHost
    return await handler(request)


MIDDLEWARES = (watch, headers, translate, known_host)
