"""Bytes on their way out: a proven download becomes a response; one that turns out damaged is cut off, not ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from aiohttp import web

from domain.errors import BilagaError, Draining
from domain.ids import AttachmentId
from subjects import Export
from transfer import Archive, Content, Download, Reading, Slot, content_disposition
from web.guard import complete_headers
from web.services import SERVICES

log = logging.getLogger(__name__)
WRITE_STALL = 60.0
"""Seconds a peer may take to accept one piece (S-79)."""
# S-54: whatever the file is, no browser renders it in our origin.
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store, no-transform",
}


class Outgoing(Protocol):
    """What can be sent: a download or an archive."""

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in a worker's thread."""
        ...


@dataclass(slots=True)
class _Progress:
    """Bytes that were handed to the connection."""

    delivered: int = 0


def content_headers(content: Content | Download) -> dict[str, str]:
    """The fields of an attachment's bytes, the same for GET and HEAD."""
    return {
        **HEADERS,
        "Content-Disposition": content_disposition(content.name),
        "Content-Type": content.media_type,
        "ETag": content.etag,
        "Accept-Ranges": "bytes",
    }


async def head_attachment(
    request: web.Request, reading: Reading, attachment_id: AttachmentId, extra: Mapping[str, str] | None = None
) -> web.Response:
    """What GET would answer, without a body; counts nothing."""
    services = request.app[SERVICES]
    content = await services.hop.call(services.sending.look, reading, attachment_id)
    # The length of what GET would send; as a field, since aiohttp reckons the property from the absent body.
    length = {"Content-Length": str(content.size)}
    return web.Response(headers={**content_headers(content), **length, **(extra or {})})


async def send_attachment(
    request: web.Request,
    reading: Reading,
    attachment_id: AttachmentId,
    *,
    extra: Mapping[str, str] | None = None,
    dress: Callable[[web.StreamResponse], None] | None = None,
) -> web.StreamResponse:
    """An attachment's bytes, whole or one range (S-56). ``dress`` may add a cookie."""
    services = request.app[SERVICES]
    if services.flight.draining:
        raise Draining
    if (unchanged := await _unchanged(request, reading, attachment_id, extra)) is not None:
        return unchanged
    with services.pump.take() as slot:
        opening = partial(
            services.sending.open,
            reading,
            attachment_id,
            range_header=request.headers.get("Range"),
            if_range=request.headers.get("If-Range"),
        )
        download: Download = await slot.run(opening, undo=lambda opened: opened.close(0))
        progress = _Progress()
        try:
            headers = {**content_headers(download), **(extra or {})}
            response = web.StreamResponse(status=206 if download.partial else 200, headers=headers)
            response.content_length = download.length
            if download.partial:
                response.headers["Content-Range"] = f"bytes {download.start}-{download.stop - 1}/{download.size}"
            if dress is not None:
                dress(response)
            await _send(request, response, slot, download, progress)
            return response
        finally:
            await slot.run(download.close, progress.delivered)


async def send_archive(request: web.Request, archive: Archive | Export, slot: Slot) -> web.StreamResponse:
    """A zip of unknown length, chunked; cut off where a member turns out damaged (S-94)."""
    headers = {**HEADERS, "Content-Disposition": content_disposition(archive.name), "Content-Type": "application/zip"}
    response = web.StreamResponse(headers=headers)
    try:
        await _send(request, response, slot, archive, _Progress())
        return response
    finally:
        await slot.run(archive.close)


async def _unchanged(
    request: web.Request, reading: Reading, attachment_id: AttachmentId, extra: Mapping[str, str] | None
) -> web.Response | None:
    """304 where the client has these very bytes already: nothing is opened, nothing is counted."""
    known = request.headers.get("If-None-Match")
    if known is None:
        return None
    services = request.app[SERVICES]
    content = await services.hop.call(services.sending.look, reading, attachment_id)
    if content.etag not in {tag.strip().removeprefix("W/") for tag in known.split(",")}:
        return None
    kept = {name: value for name, value in content_headers(content).items() if name != "Content-Type"}
    return web.Response(status=304, headers={**kept, **(extra or {})})


async def _send(
    request: web.Request, response: web.StreamResponse, slot: Slot, outgoing: Outgoing, progress: _Progress
) -> None:
    complete_headers(request, response)
    await response.prepare(request)
    try:
        async with slot.outlet(outgoing.chunks) as outlet:
            async for chunk in outlet:
                # Awaited: a slow reader slows the disk, and memory stays flat.
                async with asyncio.timeout(WRITE_STALL):
                    await response.write(chunk)
                progress.delivered += len(chunk)
        await response.write_eof()
    except (BilagaError, TimeoutError, ConnectionError) as error:
        # The status line is out: only a connection that breaks off says that this was not the whole (S-26).
        cause = error.code if isinstance(error, BilagaError) else type(error).__name__
        log.warning("download cut off", extra={"cause": cause, "delivered": progress.delivered})
        if request.transport is not None:
            request.transport.abort()
