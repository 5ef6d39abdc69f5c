"""Links: made for a ticket or an attachment, listed, revoked. A link's address is shown once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from domain.errors import AlreadyPurged, BadInput, Gone, NotAllowed, NotFound, Quarantined, StateConflict
from domain.ids import AttachmentId, LinkId
from domain.link import LinkKind
from links import Issued, LinkView
from storage import Unit
from web.api.shapes import Instant, Text
from web.spec import Call, Kind, Reply, Route, Shape

Count = Annotated[int, Field(ge=1)]
Language = Annotated[str, Field(description="RFC 5646. Pages and mails are written in en, sv, nb, da, fi and de.")]


class UploadLinkIn(Shape):
    """Terms of an upload link; ``expires_in`` is an ISO 8601 duration."""

    expires_in: str | None = None
    expires_at: Instant | None = None
    max_files: Count | None = None
    max_bytes: Count | None = None
    allowed_types: list[str] = Field(default_factory=list)
    passcode: str | None = Field(default=None, max_length=256)
    language: Language | None = None
    note: Text | None = None


class DownloadLinkIn(Shape):
    """Terms of a download link; ``recipient``: the button asks for a code mailed to that address."""

    expires_in: str | None = None
    expires_at: Instant | None = None
    max_downloads: Count | None = None
    passcode: str | None = Field(default=None, max_length=256)
    recipient: Text | None = None
    language: Language | None = None


class LinkOut(Shape):
    """A link, without its address."""

    id: str
    kind: Literal["upload", "download"]
    attachment: str | None
    created_at: Instant
    expires_at: Instant
    revoked_at: Instant | None
    state: Literal["active", "expired", "revoked", "used-up"]
    passcode: bool
    recipient: str | None
    language: Language | None
    note: str | None
    allowed_types: list[str]
    max_files: int | None
    max_bytes: int | None
    max_downloads: int | None
    files: int | None
    bytes: int | None
    downloads: int | None


class NewLinkOut(LinkOut):
    """A new link, with its address, shown this once."""

    url: str


class LinksOut(Shape):
    """All links of a ticket, oldest first."""

    links: list[LinkOut]


def _fields(call: Call, view: LinkView) -> dict[str, object]:
    link, quota = view.link, view.quota
    terms = link.terms
    uploads = link.kind is LinkKind.UPLOAD
    used_up = (
        quota is not None
        and (
            (quota.max_files is not None and quota.used_files >= quota.max_files)
            or (quota.max_bytes is not None and quota.used_bytes >= quota.max_bytes)
        )
    ) or (terms.max_downloads is not None and link.used >= terms.max_downloads)
    state = "active"
    if link.revoked_at is not None:
        state = "revoked"
    elif call.services.clock() >= terms.expires_at:
        state = "expired"
    elif used_up:
        state = "used-up"
    return {
        "id": link.id,
        "kind": link.kind.value,
        "attachment": link.attachment_id,
        "created_at": link.created_at,
        "expires_at": terms.expires_at,
        "revoked_at": link.revoked_at,
        "state": state,
        "passcode": link.passcode_hash is not None,
        "recipient": view.recipient,
        "language": link.language,
        "note": view.note,
        "allowed_types": list(terms.allowed_types),
        "max_files": terms.max_files,
        "max_bytes": terms.max_bytes,
        "max_downloads": terms.max_downloads,
        "files": quota.used_files if quota is not None else None,
        "bytes": quota.used_bytes if quota is not None else None,
        "downloads": None if uploads else link.used,
    }


def _new(call: Call, unit: Unit, issued: Issued) -> Reply:
    view = call.services.listing.view(unit, issued.link)
    url = call.services.link_url(issued.link.kind, issued.token)
    return Reply(201, NewLinkOut.model_validate({**_fields(call, view), "url": url}))


def hash_passcode(call: Call) -> str | None:
    """Argon2 before the transaction."""
    passcode = call.body.passcode
    return None if passcode is None else call.services.passcodes.hash(passcode)


def make_upload_link(call: Call, unit: Unit) -> Reply:
    """``POST /tickets/{ref}/upload-links``."""
    said: UploadLinkIn = call.body
    issued = call.services.issuing.upload(
        unit,
        call.actor,
        call.path["ref"],
        expires_in=said.expires_in,
        expires_at=said.expires_at,
        max_files=said.max_files,
        max_bytes=said.max_bytes,
        allowed_types=said.allowed_types,
        passcode_hash=call.prepared,
        language=said.language,
        note=said.note,
    )
    return _new(call, unit, issued)


def make_download_link(call: Call, unit: Unit) -> Reply:
    """``POST /attachments/{id}/download-links``."""
    said: DownloadLinkIn = call.body
    if said.recipient is not None and not call.services.sends_mail:
        raise BadInput("No mail server is configured, so no code can be mailed to a recipient.", field="recipient")
    issued = call.services.issuing.download(
        unit,
        call.actor,
        AttachmentId(call.path["id"]),
        expires_in=said.expires_in,
        expires_at=said.expires_at,
        max_downloads=said.max_downloads,
        passcode_hash=call.prepared,
        recipient=said.recipient,
        language=said.language,
    )
    return _new(call, unit, issued)


def list_links(call: Call, unit: Unit) -> Reply:
    """``GET /tickets/{ref}/links``."""
    views = call.services.listing.of_ticket(unit, call.actor, call.path["ref"])
    return Reply(200, LinksOut(links=[LinkOut.model_validate(_fields(call, view)) for view in views]))


def revoke_link(call: Call, unit: Unit) -> Reply:
    """``DELETE /links/{id}``; again is 204 too."""
    call.services.revoking.revoke(unit, call.actor, LinkId(call.path["id"]))
    return Reply(204)


def routes() -> list[Route]:
    """The routes of links."""
    tag = "links"
    return [
        Route(
            "POST",
            "/tickets/{ref}/upload-links",
            "Make an upload link",
            make_upload_link,
            Kind.WRITE,
            {201: NewLinkOut},
            tag,
            body=UploadLinkIn,
            problems=(NotAllowed, NotFound, Gone),
            prepare=hash_passcode,
        ),
        Route(
            "POST",
            "/attachments/{id}/download-links",
            "Make a download link",
            make_download_link,
            Kind.WRITE,
            {201: NewLinkOut},
            tag,
            body=DownloadLinkIn,
            problems=(NotAllowed, NotFound, AlreadyPurged, Quarantined, StateConflict),
            prepare=hash_passcode,
        ),
        Route(
            "GET",
            "/tickets/{ref}/links",
            "All links of a ticket",
            list_links,
            Kind.READ,
            {200: LinksOut},
            tag,
            problems=(NotAllowed, NotFound),
        ),
        Route(
            "DELETE",
            "/links/{id}",
            "Revoke a link, effective at once",
            revoke_link,
            Kind.WRITE,
            {204: None},
            tag,
            problems=(NotAllowed, NotFound),
        ),
    ]
