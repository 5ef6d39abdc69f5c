"""tus 1.0.0: uploads that go on after a cut, with every extension that ``tus_fields.EXTENSIONS`` names (S-42)."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from aiohttp import web

from domain.errors import BadInput, NotFound, PreconditionFailed, TypeNotAllowed
from domain.upload import Upload, UploadKind, UploadState
from transfer import Created
from web import tus_fields as fields
from web.digests import CONTENT, REPR, announced
from web.dispatch import respond
from web.idempotency import once_of
from web.resumable_desk import Desk, body_size, where_it_stands
from web.spec import Reply


def check_version(request: web.Request) -> None:
    """Before anything else of a request is looked at. Raises PreconditionFailed."""
    if request.headers.getall(fields.RESUMABLE, []) != [fields.VERSION]:
        raise PreconditionFailed(
            f"This address speaks tus {fields.VERSION} (and the IETF draft).", field=fields.RESUMABLE
        )


def options(max_size: int) -> dict[str, str]:
    """What is offered here."""
    return {
        "Tus-Version": fields.VERSION,
        "Tus-Extension": ",".join(fields.EXTENSIONS),
        "Tus-Max-Size": str(max_size),
        "Tus-Checksum-Algorithm": ",".join(fields.CHECKSUMS),
    }


async def create(request: web.Request) -> web.StreamResponse:
    """``POST /u/{token}/files``: 201 with the upload's address."""
    check_version(request)
    desk = await Desk.of(request)
    wish = _Wish(request, desk)
    once = once_of(request, desk.services, desk.link, wish.fingerprint())
    if once is None:
        return respond(await _create(request, desk, wish))
    known = await desk.services.hop.write(once.begin)
    if known is not None:
        return respond(once.same(known, once.fingerprint))
    try:
        reply = await _create(request, desk, wish)
        await desk.services.hop.write(lambda unit: once.complete(unit, reply))
    except BaseException:
        await desk.services.hop.write(once.forget)
        raise
    return respond(reply)


class _Wish:
    """What a creation asks for."""

    def __init__(self, request: web.Request, desk: Desk) -> None:
        """Raises BadInput."""
        self.metadata = fields.raw_metadata(request)
        pairs = fields.metadata(self.metadata)
        self.name = pairs.get("filename") or pairs.get("name") or b""
        self.receipt = _receipt(pairs.get("receipt"))
        self.length = fields.number(request, fields.LENGTH)
        deferred = fields.deferred(request)
        self.concat = fields.concat(request, desk.services.base_path, desk.link)
        self.has_body = body_size(request) != 0 and request.content_type == fields.CONTENT_TYPE
        self.checksums = tuple(one for one in (fields.checksum(request), announced(request, CONTENT)) if one)
        self.repr_digest = announced(request, REPR)
        if self.parts is not None:
            if self.length is not None or deferred or self.has_body:
                raise BadInput("A concatenation has neither a length nor a body of its own.", field=fields.CONCAT)
        elif (self.length is None) is not deferred:
            raise BadInput(f"One of {fields.LENGTH} and {fields.DEFER} is needed.", field=fields.LENGTH)

    @property
    def parts(self) -> tuple[str, ...] | None:
        return None if self.concat is None else self.concat.parts

    def kept(self) -> str:
        """What an offset request is to be told again."""
        return json.dumps([self.metadata, None if self.concat is None else self.concat.raw])

    def fingerprint(self) -> bytes:
        """For an idempotency key: what would make it another creation."""
        return f"{self.length}\0{self.kept()}".encode()


def _receipt(given: bytes | None) -> str | None:
    """The token in a receipt's address."""
    if not given:
        return None
    try:
        return given.decode("ascii").rstrip("/").rpartition("/")[2]
    except UnicodeDecodeError as error:
        raise BadInput("That is no receipt.", field="receipt") from error


async def _create(request: web.Request, desk: Desk, wish: _Wish) -> Reply:
    created = await _made(desk, wish)
    upload = created.upload
    told = {"Location": desk.address(created.token), **desk.receipt_field(created)}
    if wish.has_body:
        try:
            upload = await desk.append(created.token, offset=0, checksums=wish.checksums)
        except BaseException:
            # Nobody knows its address: without this answer nobody can go on with it.
            await desk.forget(created.token)
            raise
        told[fields.OFFSET] = str(upload.offset)
    return Reply(201, None, told | _expiry(upload))


async def _made(desk: Desk, wish: _Wish) -> Created:
    common: dict[str, Any] = {"metadata": wish.kept(), "repr_digest": wish.repr_digest, "receipt": wish.receipt}
    resuming = desk.services.resuming
    if wish.parts is None:
        kind = UploadKind.WHOLE if wish.concat is None else UploadKind.PARTIAL
        return await desk.created(
            lambda incoming: resuming.create(incoming, wish.name, length=wish.length, kind=kind, **common)
        )
    try:
        return await desk.created(partial(resuming.concatenate, name=wish.name, tokens=wish.parts, **common))
    except NotFound as error:
        # The link itself was found before: it is a piece that is not.
        raise BadInput("A piece is no upload of this link.", field=fields.CONCAT) from error


async def offset(request: web.Request) -> web.StreamResponse:
    """``HEAD /u/{token}/files/{upload}``: how far it is."""
    check_version(request)
    desk = await Desk.of(request)
    upload = await desk.find(desk.upload)
    told = {fields.OFFSET: str(upload.offset)}
    if upload.length is None:
        told[fields.DEFER] = "1"
    else:
        told[fields.LENGTH] = str(upload.length)
    kept = await desk.services.hop.call(desk.services.resuming.metadata, upload)
    metadata, concat = json.loads(kept) if kept else (None, None)
    if metadata is not None:
        told[fields.METADATA] = metadata
    if concat is not None:
        told[fields.CONCAT] = concat
    return where_it_stands(200, told | _expiry(upload))


async def append(request: web.Request) -> web.StreamResponse:
    """``PATCH /u/{token}/files/{upload}``: 204 with the offset that is durable."""
    check_version(request)
    if request.content_type != fields.CONTENT_TYPE:
        raise TypeNotAllowed(f"The body must be {fields.CONTENT_TYPE}.", field="Content-Type")
    offset = fields.number(request, fields.OFFSET)
    if offset is None:
        raise BadInput("The offset is needed.", field=fields.OFFSET)
    length = fields.number(request, fields.LENGTH)
    checksums = tuple(one for one in (fields.checksum(request), announced(request, CONTENT)) if one)
    desk = await Desk.of(request, append=True)
    upload = await desk.append(desk.upload, offset=offset, length=length, checksums=checksums)
    if upload.offset == offset and length is None and not upload.is_complete:
        # Told 2xx and the same offset, clients ask again for ever.
        raise BadInput("There was nothing in the body.")
    return web.Response(status=204, headers={fields.OFFSET: str(upload.offset)} | _expiry(upload))


async def terminate(request: web.Request) -> web.StreamResponse:
    """``DELETE /u/{token}/files/{upload}``."""
    check_version(request)
    desk = await Desk.of(request)
    await desk.cancel(desk.upload)
    return web.Response(status=204)


def _expiry(upload: Upload) -> dict[str, str]:
    """Only what is unfinished expires."""
    return {fields.EXPIRES: fields.http_date(upload.expires_at)} if upload.state is UploadState.OPEN else {}
