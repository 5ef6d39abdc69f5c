"""Bodies on their way in: from the connection through the pump into ``transfer``, by form or by plain stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from aiohttp import web

from domain.errors import BadInput, Draining, IncompleteBody, TooSlow
from storage import Unit
from transfer import Claim, Incoming, Received, Sealed, Slot
from web import bodies, multipart
from web.services import SERVICES, Services

Then = Callable[[Unit, Received], None]
# S-79: a body comes in at 1 KiB/s over half a minute, or its connection is needed for others.
WINDOW = 30.0
SLOWEST = 1024 * WINDOW


async def later(request: web.Request) -> None:
    """Expectations on uploads: ``100 Continue`` is sent by ``go_on``, once nothing speaks against the body (S-40)."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise web.HTTPExpectationFailed(text="")


async def go_on(request: web.Request) -> None:
    """Tell a client that waits for it to send the body."""
    if request.version >= (1, 1) and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def paced(request: web.Request) -> AsyncIterator[bytes]:
    """The body's chunks as they come. Raises IncompleteBody, TooSlow; our own slowness is not counted."""
    loop = asyncio.get_running_loop()
    waited, got = 0.0, 0
    while True:
        began = loop.time()
        try:
            async with asyncio.timeout(WINDOW - waited):
                chunk = await request.content.readany()
        except TimeoutError as error:
            if got < SLOWEST:
                raise TooSlow from error
            waited, got = 0.0, 0
            continue
        except (ConnectionResetError, web.RequestPayloadError) as error:
            raise IncompleteBody from error
        if not chunk:
            return
        waited += loop.time() - began
        got += len(chunk)
        if got >= SLOWEST or waited >= WINDOW:
            if got < SLOWEST:
                raise TooSlow
            waited, got = 0.0, 0
        yield chunk


class Intake:
    """One request that brings files: claims, seals, finishes all at once, or leaves nothing."""

    def __init__(self, request: web.Request, incoming: Callable[[], Incoming]) -> None:
        """``incoming`` is asked before each file: a form may bring the passcode that opens the link."""
        self._request = request
        self._services: Services = request.app[SERVICES]
        self._incoming = incoming
        self._claims: list[Claim] = []
        self._sealed: list[Sealed] = []
        if self._services.flight.draining:
            raise Draining

    async def stream(self, name: str | bytes, *, then: Then | None = None) -> Received:
        """A plain body: one file."""

        async def bring(slot: Slot) -> None:
            claim = await self._claim(slot, name, self._request.content_length)
            await go_on(self._request)
            await self._seal(slot, claim, paced(self._request))

        return await self._whole(bring, then)

    async def form(self, fields: Callable[[str, str], Awaitable[None]], *, then: Then | None = None) -> Received:
        """A multipart form: parts with a file name are files, any other goes to ``fields`` (name, value) as it comes."""

        async def bring(slot: Slot) -> None:
            await go_on(self._request)
            content_type = self._request.headers.get("Content-Type", "")
            events = multipart.events(content_type, paced(self._request))
            async for event in events:
                if not isinstance(event, multipart.Part):
                    raise BadInput("The form is malformed.")
                if event.filename is None:
                    await fields(event.name, await _field(event.name, events))
                elif not event.filename:
                    await _no_file(events)
                else:
                    claim = await self._claim(slot, event.filename, None)
                    await self._seal(slot, claim, _file(events))

        return await self._whole(bring, then)

    async def _whole(self, bring: Callable[[Slot], Awaitable[None]], then: Then | None) -> Received:
        bodies.refuse_coding(self._request)
        reception = self._services.reception
        with self._services.pump.take() as slot:
            try:
                await bring(slot)
                return await slot.run(partial(reception.finish, self._sealed, then=then))
            except BaseException as error:
                cause = IncompleteBody() if isinstance(error, asyncio.CancelledError) else error
                await slot.run(reception.abandon, self._claims, cause)
                raise

    async def _claim(self, slot: Slot, name: str | bytes, size: int | None) -> Claim:
        reception = self._services.reception
        incoming = self._incoming()
        claim = await slot.run(reception.claim, incoming, name, size, undo=lambda claim: reception.abandon([claim]))
        self._claims.append(claim)
        return claim

    async def _seal(self, slot: Slot, claim: Claim, chunks: AsyncIterator[bytes | bytearray]) -> None:
        async with slot.inlet(partial(self._services.reception.seal, claim)) as inlet:
            async for chunk in chunks:
                await inlet.put(chunk)  # type: ignore[arg-type]
            self._sealed.append(await inlet.finish())


async def _file(events: AsyncIterator[multipart.Event]) -> AsyncIterator[bytes | bytearray]:
    """The bytes of the part that has begun, up to its end."""
    async for event in events:
        if event is None:
            return
        if isinstance(event, multipart.Part):
            raise BadInput("The form is malformed.")
        yield event


async def _field(name: str, events: AsyncIterator[multipart.Event]) -> str:
    value = bytearray()
    async for chunk in _file(events):
        value += chunk
        if len(value) > multipart.MAX_FIELD:
            raise BadInput("A field of the form is too long.", field=name)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise BadInput("A field of the form is not UTF-8.", field=name) from error


async def _no_file(events: AsyncIterator[multipart.Event]) -> None:
    """A browser sends an empty part with an empty name where nobody chose a file."""
    async for chunk in _file(events):
        if chunk:
            raise BadInput("A file of the form has no name.", field="filename")
