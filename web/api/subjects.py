"""Data subjects: all that is held of a person, handed out or erased. The address stands in a body, never in a URL."""

from __future__ import annotations

from functools import partial
from typing import Literal

from aiohttp import web

from domain.errors import NotAllowed, Unavailable
from web import bodies
from web.api.shapes import Instant, Text
from web.content import send_archive
from web.dispatch import validated
from web.identity import Identity
from web.services import SERVICES
from web.spec import Call, Kind, Reply, Route, Shape


class SubjectExportIn(Shape):
    """Who asks. ``language``: of the page in the archive: en, sv, nb, da, fi or de; the site's where it is not said."""

    email: Text
    language: Literal["en", "sv", "nb", "da", "fi", "de"] | None = None


class SubjectEraseIn(Shape):
    """Who asks. ``reason``: the audit log commits to it and keeps none of it."""

    email: Text
    dry_run: bool = False
    reason: Text | None = None


class SubjectFileOut(Shape):
    """A file that is gone, or would go."""

    attachment: str
    ticket: str
    certificate: str | None


class SubjectKeptOut(Shape):
    """What stays, and by what: ``hold``, ``contract``, ``law`` or ``access``. ``until`` null: nobody knows yet."""

    what: str
    name: str
    by: str
    rule: str | None
    until: Instant | None


class SubjectFailedOut(Shape):
    """What should have gone and could not: ask again."""

    what: str
    name: str
    reason: str


class SubjectErasedOut(Shape):
    """What an erasure did, or, dry, would do. ``found``: whether anything was held at all."""

    request: str
    at: Instant
    dry_run: bool
    found: bool
    complete: bool
    files: list[SubjectFileOut]
    tickets: list[str]
    links: list[str]
    principals: list[str]
    mails: int
    receipts: int
    uploads: int
    kept: list[SubjectKeptOut]
    failed: list[SubjectFailedOut]
    reason_key: str | None


async def post_export(request: web.Request, identity: Identity) -> web.StreamResponse:
    """``POST /subjects/export``: a zip."""
    services = request.app[SERVICES]
    _, value = await bodies.read_json(request)
    said = validated(SubjectExportIn, value)
    languages = services.pages.languages
    compose = partial(services.pages.dossier, languages.get(said.language) or languages.default)
    with services.pump.take() as slot:
        opened = await slot.run(
            services.exporting.open, identity.actor, said.email, compose, undo=lambda export: export.close()
        )
        return await send_archive(request, opened, slot)


def erase(call: Call) -> Reply:
    """``POST /subjects/erase``."""
    said: SubjectEraseIn = call.body
    report = call.services.erasing.run(call.actor, said.email, dry_run=said.dry_run, reason=said.reason)
    return Reply(
        200,
        SubjectErasedOut(
            request=report.request,
            at=report.at,
            dry_run=report.dry_run,
            found=report.found,
            complete=report.complete,
            files=[
                SubjectFileOut(attachment=one.attachment_id, ticket=one.ticket, certificate=one.certificate_id)
                for one in report.files
            ],
            tickets=report.tickets,
            links=report.links,
            principals=report.principals,
            mails=report.mails,
            receipts=report.receipts,
            uploads=report.uploads,
            kept=[
                SubjectKeptOut(what=one.what, name=one.name, by=one.by, rule=one.rule, until=one.until)
                for one in report.kept
            ],
            failed=[SubjectFailedOut(what=one.what, name=one.name, reason=one.reason) for one in report.failed],
            reason_key=report.reason_key,
        ),
    )


def routes() -> list[Route]:
    """The routes of data subjects."""
    tag = "subjects"
    return [
        Route(
            "POST", "/subjects/export", "All that is held of a person, as a zip", post_export, Kind.STREAM,
            {200: "application/zip"}, tag, body=SubjectExportIn, problems=(NotAllowed, Unavailable),
            description="GDPR, article 15. A connection that breaks off means that the archive is not whole.",
        ),
        Route(
            "POST", "/subjects/erase", "Erase a person; what must stay is named", erase, Kind.THREAD,
            {200: SubjectErasedOut}, tag, body=SubjectEraseIn, problems=(NotAllowed,),
            description="GDPR, article 17. complete is false where something could not be erased now: ask again.",
        ),
    ]  # fmt: skip
