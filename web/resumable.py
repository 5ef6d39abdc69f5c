"""The IETF draft on resumable uploads (draft-ietf-httpbis-resumable-upload-12), on the uploads that tus has too.

Thin, as the draft moves: creation with or without content, offset, append, cancel. The last append is answered as the
request that began would have been: 201 and the file; 202 while it is still being looked through.
"""

from __future__ import annotations

from functools import partial

from aiohttp import HttpVersion11, web

from domain.actor import EVERYTHING
from domain.errors import BadInput, Gone, OffsetConflict, TypeNotAllowed
from domain.upload import ENDED, Upload, UploadState
from storage import Unit
from web import resumable_fields as fields
from web.digests import CONTENT, REPR, announced, repr_field, repr_wanted
from web.dispatch import respond
from web.intake import go_on
from web.requester import SentFileOut, SentOut, sent_out
from web.resumable_desk import RECEIPT, Desk, body_size, where_it_stands
from web.spec import Reply

PROBLEM_TYPES = "https://iana.org/assignments/http-problem-types#"


def options(max_size: int) -> dict[str, str]:
    """What is offered here."""
    return {fields.LIMIT: fields.limit(max_size)}


async def create(request: web.Request) -> web.StreamResponse:
    """``POST /u/{token}/files`` with ``Upload-Complete``: the file and 201 when all came, else the upload's address."""
    complete = fields.boolean(request, fields.COMPLETE)
    if complete is None:
        raise BadInput("It is ?0 or ?1.", field=fields.COMPLETE)
    size = body_size(request)
    length = fields.integer(request, fields.LENGTH)
    if complete and size is not None:
        length = _agreed(length, size)
    elif length is not None and (size or 0) > length:
        raise _inconsistent()
    content, whole = announced(request, CONTENT), announced(request, REPR)
    name, receipt = fields.file_name(request), request.headers.get(RECEIPT, "").rpartition("/")[2] or None
    desk = await Desk.of(request)
    services = desk.services
    created = await desk.created(
        lambda incoming: services.resuming.create(incoming, name, length=length, repr_digest=whole, receipt=receipt)
    )
    address = desk.address(created.token)
    upload, told = created.upload, False
    if size != 0 or complete:
        told = await _resumption_supported(request, address, _limit(desk, upload))
        try:
            if upload.state not in ENDED or size != 0:
                upload = await desk.append(
                    created.token, offset=0, complete=complete, checksums=() if content is None else (content,)
                )
        except BaseException:
            if not told:
                await desk.forget(created.token)
            raise
    headers = {"Location": address, **desk.receipt_field(created)}
    if complete:
        return await _whole(request, desk, upload, headers, headers.get(RECEIPT))
    return _partly(desk, upload, 201, headers)


async def offset(request: web.Request) -> web.StreamResponse:
    """``HEAD`` and ``GET /u/{token}/files/{upload}``: how far it is."""
    desk = await Desk.of(request)
    upload = await desk.find(desk.upload)
    headers = {
        fields.OFFSET: str(upload.offset),
        fields.COMPLETE: fields.flag(complete=upload.state is not UploadState.OPEN),
        fields.LIMIT: _limit(desk, upload),
    }
    if upload.length is not None:
        headers[fields.LENGTH] = str(upload.length)
    return where_it_stands(204, headers)


async def append(request: web.Request) -> web.StreamResponse:
    """``PATCH /u/{token}/files/{upload}``: more of it; with ``Upload-Complete: ?1`` the end of it."""
    if request.content_type != fields.CONTENT_TYPE and fields.interop(request) != fields.UNTYPED_VERSION:
        raise TypeNotAllowed(f"The body must be {fields.CONTENT_TYPE}.", field="Content-Type")
    complete = fields.boolean(request, fields.COMPLETE)
    offset = fields.integer(request, fields.OFFSET)
    if complete is None or offset is None:
        missing = fields.COMPLETE if complete is None else fields.OFFSET
        raise BadInput("The field is needed.", field=missing)
    size, length = body_size(request), fields.integer(request, fields.LENGTH)
    content = announced(request, CONTENT)
    desk = await Desk.of(request, append=True)
    upload = await desk.look(desk.upload)
    if upload.length is not None:
        _agreed(length, upload.length)
    length = upload.length if upload.length is not None else length
    if size is not None and length is not None and (offset + size > length or (complete and offset + size < length)):
        raise _inconsistent()
    # A repeated last append is answered again.
    if upload.state is UploadState.OPEN or size != 0 or offset != upload.offset:
        try:
            upload = await desk.append(
                desk.upload,
                offset=offset,
                length=length if upload.length is None else None,
                complete=complete,
                checksums=() if content is None else (content,),
            )
        except OffsetConflict as error:
            raise OffsetConflict(type=f"{PROBLEM_TYPES}mismatching-upload-offset", **error.facts) from error
    if complete:
        return await _whole(request, desk, upload, {})
    return _partly(desk, upload, 204, {})


async def cancel(request: web.Request) -> web.StreamResponse:
    """``DELETE /u/{token}/files/{upload}``."""
    desk = await Desk.of(request)
    await desk.cancel(desk.upload)
    return web.Response(status=204)


async def _resumption_supported(request: web.Request, address: str, limit: str) -> bool:
    """104 to a client that says it understands it, and to no other: many take it for the answer. Whether it went."""
    version = fields.interop(request)
    if version is None or request.version < HttpVersion11 or request.transport is None:
        return False
    await go_on(request)
    lines = (
        "HTTP/1.1 104 Upload Resumption Supported",
        f"{fields.INTEROP}: {version}",
        f"Location: {address}",
        f"{fields.LIMIT}: {limit}",
    )
    request.transport.write("\r\n".join((*lines, "", "")).encode("ascii"))
    return True


def _agreed(length: int | None, other: int) -> int:
    if length not in {None, other}:
        raise _inconsistent()
    return other


def _inconsistent() -> BadInput:
    return BadInput(
        "What was said of the length does not agree.",
        field=fields.LENGTH,
        type=f"{PROBLEM_TYPES}inconsistent-upload-length",
    )


def _limit(desk: Desk, upload: Upload) -> str:
    return fields.limit(desk.services.max_file_size, upload, desk.services.clock())


def _partly(desk: Desk, upload: Upload, status: int, headers: dict[str, str]) -> web.Response:
    told = {
        fields.OFFSET: str(upload.offset),
        fields.COMPLETE: fields.flag(complete=False),
        fields.LIMIT: _limit(desk, upload),
    }
    return web.Response(status=status, headers=headers | told)


async def _whole(
    request: web.Request, desk: Desk, upload: Upload, headers: dict[str, str], receipt: str | None = None
) -> web.Response:
    """The answer of the target resource: the file, as a plain ``PUT`` of it would be answered."""
    wanted = repr_wanted(request)
    reply = await desk.services.hop.read(partial(_sent, desk, upload, receipt, wanted))
    told = {fields.OFFSET: str(upload.offset), fields.COMPLETE: fields.flag(complete=True)}
    return respond(Reply(reply.status, reply.body, {**headers, **reply.headers, **told}))


def _sent(desk: Desk, upload: Upload, receipt: str | None, wanted: bool, unit: Unit) -> Reply:
    row = unit.attachments.get(upload.attachment_id, EVERYTHING)
    if row is None:
        raise Gone
    sent: SentOut = sent_out(desk.services, unit, row)
    if receipt is not None:
        sent = SentFileOut(**sent.model_dump(), receipt_url=receipt)
    digest = repr_field(row.sha256) if wanted and row.sha256 is not None else {}
    return Reply(201 if upload.state in ENDED else 202, sent, digest)
