"""Bodies on their way in: from the connection through the pump into ``transfer``, by form or by plain stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Protocol
from urllib.parse import unquote_to_bytes

from aiohttp import web

from domain.errors import BadInput, ChecksumMismatch, IncompleteBody
from domain.upload import Checksum
from storage import Unit
from transfer import Claim, Incoming, Received, Reception, Sealed, Slot
from web import bodies, digests, multipart
from web.body import off_socket
from web.idempotency import Once
from web.pace import Pace
from web.services import SERVICES, Services
from web.spec import Reply

_TOLD: web.RequestKey[bool] = web.RequestKey("continue-sent", bool)


def name_in_path(request: web.Request) -> bytes:
    """The last segment of the path as the bytes that were sent: data, not a path, and perhaps no UTF-8 (S-44, S-93)."""
    return unquote_to_bytes(request.rel_url.raw_name.encode(errors="surrogateescape"))


async def later(request: web.Request) -> None:
    """Expectations on uploads: ``100 Continue`` is sent by ``go_on``, once nothing speaks against the body (S-40)."""


def waits(request: web.Request) -> bool:
    """Whether the client waits to be told to go on, and was not: its body will not come."""
    return _expectation(request) != "" and not request.get(_TOLD)


def _expectation(request: web.Request) -> str:
    return request.headers.get("Expect", "").lower()


async def go_on(request: web.Request) -> None:
    """Tell a client that waits for it to send the body; once."""
    if request.get(_TOLD):
        return
    request[_TOLD] = True
    if request.version >= (1, 1) and _expectation(request) == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def paced(request: web.Request) -> AsyncIterator[bytes]:
    """The body's chunks as they come. Raises IncompleteBody, TooSlow; our own slowness is not counted."""
    loop = asyncio.get_running_loop()
    pace = Pace()
    while True:
        began = loop.time()
        try:
            async with asyncio.timeout(pace.left):
                chunk = await request.content.readany()
        except TimeoutError:
            pace.count(pace.left, 0)
            continue
        except (ConnectionResetError, web.RequestPayloadError) as error:
            raise IncompleteBody from error
        if not chunk:
            return
        pace.count(loop.time() - began, len(chunk))
        yield chunk


Answering = Callable[[Unit, Received], Reply]
"""Makes the answer of an upload, in the transaction that acknowledges it."""
Bring = Callable[["_Sink"], Awaitable[None]]


class Intake:
    """One request that brings files: claims, seals, finishes all at once, or leaves nothing."""

    def __init__(
        self, request: web.Request, incoming: Callable[[], Incoming], answering: Answering, once: Once | None
    ) -> None:
        """``incoming`` is asked before each file: a form may bring the passcode that opens the link."""
        self._request = request
        self._services: Services = request.app[SERVICES]
        self._incoming = incoming
        self._answering = answering
        self._once = once

    async def stream(self, name: str | bytes) -> Reply:
        """A plain body: one file, held against the digests that its fields give (RFC 9530)."""
        expected = digests.whole(self._request)
        if digests.repr_wanted(self._request):
            self._answering = _with_digest(self._answering)

        async def bring(sink: _Sink) -> None:
            await sink.take_all(name, expected)

        return await self._whole(bring)

    async def form(self, fields: Callable[[str, str], Awaitable[None]]) -> Reply:
        """A multipart form: parts with a file name are files, others go to ``fields`` (name, value) as they come."""
        content = digests.announced(self._request, digests.CONTENT)

        async def bring(sink: _Sink) -> None:
            # A form's fields may hold the passcode, so its body has to come before anything can be refused.
            await go_on(self._request)
            content_type = self._request.headers.get("Content-Type", "")
            body = paced(self._request)
            if content is not None:
                body = digests.Verifying([content]).passing(body)
            events = multipart.events(content_type, body)
            async for event in events:
                if not isinstance(event, multipart.Part):
                    raise BadInput("The form is malformed.")
                if event.filename is None:
                    await fields(event.name, await _field(event.name, events))
                elif not event.filename:
                    await _no_file(events)
                else:
                    await sink.take(event.filename, None, _file(events))

        return await self._whole(bring)

    async def _whole(self, bring: Bring) -> Reply:
        if _expectation(self._request) not in {"", "100-continue"}:
            raise web.HTTPExpectationFailed
        bodies.refuse_coding(self._request)
        once = self._once
        if once is None:
            return await self._received(bring)
        known = await self._services.hop.write(once.begin)
        if known is not None:
            again = _Again(self._request)
            await bring(again)
            return once.same(known, again.fingerprint())
        try:
            return await self._received(bring)
        except BaseException:
            await self._services.hop.write(once.forget)
            raise

    async def _received(self, bring: Bring) -> Reply:
        reception = self._services.reception
        replies: list[Reply] = []

        def acknowledge(unit: Unit, received: Received) -> None:
            replies[:] = [self._answering(unit, received)]
            if self._once is not None:
                digests = b"".join(file.attachment.sha256 or b"" for file in received.files)
                self._once.complete(unit, replies[0], sha256(digests).digest())

        with self._services.pump.take() as slot:
            sink = _Receiving(self._request, slot, reception, self._incoming)
            try:
                await bring(sink)
                received = await slot.run(partial(reception.finish, sink.sealed, then=acknowledge))
                # Where the outcome of the commit was found out afterwards, the answer is made from what was found.
                return (
                    replies[0]
                    if replies
                    else await self._services.hop.read(lambda unit: self._answering(unit, received))
                )
            except BaseException as error:
                cause = IncompleteBody() if isinstance(error, asyncio.CancelledError) else error
                await slot.run(reception.abandon, sink.claims, cause)
                raise


class _Sink(Protocol):
    """Where the files of a request go."""

    async def take_all(self, name: str | bytes, expected: Sequence[Checksum]) -> None:
        """The whole body of the request, as one file with those digests. Raises ChecksumMismatch."""
        ...

    async def take(self, name: str | bytes, size: int | None, chunks: AsyncIterator[bytes | bytearray]) -> None:
        """One file, to its end."""
        ...


class _Receiving:
    """Files on their way into the store."""

    def __init__(
        self, request: web.Request, slot: Slot, reception: Reception, incoming: Callable[[], Incoming]
    ) -> None:
        self._request = request
        self._slot = slot
        self._reception = reception
        self._incoming = incoming
        self.claims: list[Claim] = []
        self.sealed: list[Sealed] = []

    async def take_all(self, name: str | bytes, expected: Sequence[Checksum]) -> None:
        claim = await self._claim(name, self._request.content_length)
        # A file's SHA-256 is computed anyway; only what is another digest is computed beside it.
        beside = digests.Verifying([one for one in expected if one.algorithm != "sha256"])

        def seal(chunks: Iterable[bytes | memoryview]) -> Sealed:
            sealed = self._reception.seal(claim, beside.through(chunks))
            if any(one.algorithm == "sha256" and one.digest != sealed.sha256 for one in expected):
                raise ChecksumMismatch
            return sealed

        body = off_socket(self._request)
        if body is None:
            await self._seal(seal, paced(self._request))
        else:
            self.sealed.append(await body.through(self._slot, seal))

    async def take(self, name: str | bytes, size: int | None, chunks: AsyncIterator[bytes | bytearray]) -> None:
        claim = await self._claim(name, size)
        await self._seal(partial(self._reception.seal, claim), chunks)

    async def _claim(self, name: str | bytes, size: int | None) -> Claim:
        reception = self._reception
        claim = await self._slot.run(
            reception.claim, self._incoming(), name, size, undo=lambda claim: reception.abandon([claim])
        )
        self.claims.append(claim)
        await go_on(self._request)
        return claim

    async def _seal(self, seal: Callable[[Iterable[bytes]], Sealed], chunks: AsyncIterator[bytes | bytearray]) -> None:
        async with self._slot.inlet(seal) as inlet:
            async for chunk in chunks:
                await inlet.put(chunk)
            self.sealed.append(await inlet.finish())


class _Again:
    """Files that came before under the same idempotency key: only digested, to see whether they are the same."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._digests: list[bytes] = []

    async def take_all(self, name: str | bytes, expected: Sequence[Checksum]) -> None:
        await self.take(name, None, paced(self._request))

    async def take(self, name: str | bytes, size: int | None, chunks: AsyncIterator[bytes | bytearray]) -> None:
        await go_on(self._request)
        digest = sha256()
        async for chunk in chunks:
            digest.update(chunk)
        self._digests.append(digest.digest())

    def fingerprint(self) -> bytes:
        """The fingerprint of a request of these files."""
        return sha256(b"".join(self._digests)).digest()


def _with_digest(answering: Answering) -> Answering:
    """The answer, with the digest of the one file."""

    def answer(unit: Unit, received: Received) -> Reply:
        reply = answering(unit, received)
        digest = received.files[0].attachment.sha256
        return reply if digest is None else replace(reply, headers={**reply.headers, **digests.repr_field(digest)})

    return answer


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
