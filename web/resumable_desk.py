"""What both protocols of uploads in pieces do in the same way: open the link, bring a body, answer for the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from aiohttp import web

from domain.errors import BilagaError, IncompleteBody, OffsetConflict, TooLarge, TooSlow
from domain.upload import Checksum, Upload
from transfer import Created, Incoming, Slot
from web import bodies
from web.body import off_socket
from web.digests import Verifying
from web.intake import go_on, paced, waits
from web.requester import Sender, sender_of
from web.services import Services

T = TypeVar("T")
RECEIPT = "Bilaga-Receipt"
"""The receipt of a sitting: told with its first file, and handed back with the others."""
SMALL = 64 << 10
"""Appends of fewer bytes count against the limits on requests (S-49); larger ones have the quota as their limit."""
Chunks = Iterable[bytes | memoryview]


def where_it_stands(status: int, headers: dict[str, str]) -> web.Response:
    """The answer to a question for an offset. Its connection closes: on one that was kept, browsers and libraries send
    an append that broke off again by themselves, from the old offset; on a new one they tell their caller."""
    response = web.Response(status=status, headers=headers | {"Cache-Control": "no-store"})
    response.force_close()
    return response


def body_size(request: web.Request) -> int | None:
    """Bytes of the body; None where it does not say."""
    if "Transfer-Encoding" in request.headers:
        return None
    return request.content_length or 0


class Desk:
    """One request about uploads of a link."""

    def __init__(self, request: web.Request, sender: Sender, services: Services, link: str) -> None:
        self._request = request
        self._sender = sender
        self.services = services
        self.link = link

    @classmethod
    async def of(cls, request: web.Request, *, append: bool = False) -> Desk:
        """Raises LinkUnknown, LinkExpired, LinkRevoked, RateLimited."""
        sender, services, link = await sender_of(request, counted=not append or (body_size(request) or 0) < SMALL)
        return cls(request, sender, services, link)

    @property
    def upload(self) -> str:
        """The token of the upload that the path names."""
        return self._request.match_info["upload"]

    def address(self, upload: str) -> str:
        """An upload's, absolute: by the configured base and nothing a request said (S-57)."""
        return f"{self.services.public_url}/u/{self.link}/files/{upload}"

    def receipt_field(self, created: Created) -> dict[str, str]:
        """Where the receipt is, once a sitting."""
        if created.receipt_token is None:
            return {}
        return {RECEIPT: f"{self.services.public_url}/r/{created.receipt_token}"}

    async def created(self, make: Callable[[Incoming], Created]) -> Created:
        """A new upload. Raises WrongPasscode, and whatever making it raises."""
        await self._sender.by_header()
        return await self.services.hop.call(make, self._sender.incoming())

    async def find(self, upload: str) -> Upload:
        """As it stands, with nobody writing to it."""
        return await self._call(self.services.resuming.find, upload)

    async def look(self, upload: str) -> Upload:
        """As its row says."""
        return await self._call(self.services.resuming.look, upload)

    async def cancel(self, upload: str) -> None:
        """End it."""
        await self._call(self.services.resuming.cancel, upload)

    async def forget(self, upload: str) -> None:
        """End one whose address nobody got to know."""
        with suppress(BilagaError):
            await self.cancel(upload)

    async def append(
        self,
        upload: str,
        *,
        offset: int,
        length: int | None = None,
        complete: bool = False,
        checksums: Sequence[Checksum] = (),
    ) -> Upload:
        """Bring the request's body. What can be refused is, before a client that waits is told to send it (S-40)."""
        request, size = self._request, body_size(self._request)
        if request.headers.get("Expect", "").lower() not in {"", "100-continue"}:
            raise web.HTTPExpectationFailed
        bodies.refuse_coding(request)
        if waits(request):
            await self._ready(upload, offset, size)
            await go_on(request)

        def work(chunks: Chunks, on_taken: Callable[[], None]) -> Upload:
            return self.services.resuming.append(
                upload,
                self._sender.again(),
                Verifying(checksums[1:]).through(chunks),
                offset=offset,
                size=size,
                length=length,
                complete=complete,
                checksum=checksums[0] if checksums else None,
                on_taken=on_taken,
            )

        try:
            with self.services.pump.take() as slot:
                return await _bring(request, slot, size, work)
        except OffsetConflict as error:
            raise OffsetConflict(offset=error.facts.get("offset"), provided=offset) from error

    async def _ready(self, upload: str, offset: int, size: int | None) -> None:
        now = await self.look(upload)
        if now.offset != offset:
            raise OffsetConflict(offset=now.offset, provided=offset)
        if now.length is not None and size is not None and offset + size > now.length:
            raise TooLarge("This is more than the upload's length.", max_size=now.length)

    async def _call(self, work: Callable[[str, Incoming], T], upload: str) -> T:
        return await self.services.hop.call(work, upload, self._sender.again())


async def _bring(
    request: web.Request, slot: Slot, size: int | None, work: Callable[[Chunks, Callable[[], None]], T]
) -> T:
    """The body into the work, off the socket where that can be; what came before a cut is handed on."""
    if size == 0:
        return await slot.run(work, (), lambda: None)
    body = off_socket(request)
    if body is not None:
        return await body.through(slot, lambda pieces: work(pieces, body.stop))
    loop = asyncio.get_running_loop()
    limit = asyncio.timeout(None)

    def taken() -> None:
        loop.call_soon_threadsafe(_end, limit, loop.time())

    # A batch of nothing: what came is with the worker at once, and not lost with the connection.
    async with slot.inlet(lambda chunks: work(chunks, taken), batch=1) as inlet:
        try:
            async with limit:
                async for chunk in paced(request):
                    await inlet.put(chunk)
        except TimeoutError:
            inlet.fail(IncompleteBody())
        except (IncompleteBody, TooSlow) as error:
            inlet.fail(error)
        return await inlet.finish()


def _end(limit: asyncio.Timeout, now: float) -> None:
    with suppress(RuntimeError):  # it has ended by itself
        limit.reschedule(now)
