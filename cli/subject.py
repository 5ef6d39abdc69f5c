"""``bilaga subject``: what is held of a person, handed out (GDPR, article 15) or erased (article 17)."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.exits import NOT_PURGED
from cli.main import Context
from cli.new_file import new_file
from cli.values import LANGUAGE
from domain.clock import rfc3339
from domain.errors import AlreadyPurged, BadInput, Damaged

if TYPE_CHECKING:
    from typing import BinaryIO

    from subjects import Dossier, ErasureReport

TRIES = 5
"""How often an export is begun anew where a file turned out damaged, or was erased, when some of it was out."""


@click.group()
def subject() -> None:
    """Data subjects: what is held of a person, handed out or erased. EMAIL - reads the address from stdin."""


@subject.command()
@click.argument("email")
@click.option("--to", "to", help="The new file, mode 0600; - is stdout. Without it, a file in this folder.")
@click.option("--language", type=LANGUAGE, help="Of index.html; without it, the site's.")
@click.option("--json", "as_json", is_flag=True, help="What the export holds, as JSON on stdout.")
@click.pass_obj
def export(context: Context, email: str, to: str | None, language: str | None, *, as_json: bool) -> None:
    """Write all that is held of a person into a zip: files in clear, index.html for people, index.json for programs.

    Whoever keeps the file keeps the person's data: hand it over and delete it. Nothing else of it touches the disk.
    """
    from domain.actor import SYSTEM
    from web import Languages, Pages

    if to == "-" and as_json:
        raise BadInput("the zip and --json cannot both go to stdout", field="to")
    email = _address(email)
    with context.site() as site:
        languages = Languages(site.settings.default_language)
        compose = partial(Pages(languages).dossier, languages.get(language) or languages.default)
        opening = partial(site.exporting.open, SYSTEM, email, compose)
        if to == "-":
            dossier = _send(opening, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            to, dossier = _keep(opening, to)
    if as_json:
        from subjects import plain

        click.echo(json.dumps({"file": to, **plain(dossier)}, ensure_ascii=False))
    if dossier.empty:
        click.echo("nothing is held of this address", err=True)
    inside = sum(file.path is not None for file in dossier.files)
    click.echo(
        f"{len(dossier.tickets)} tickets, {inside} files, {len(dossier.files) - inside} left out, "
        f"{len(dossier.links)} links on others' tickets; {'to stdout' if to == '-' else to}",
        err=True,
    )


@subject.command()
@click.argument("email")
@click.option("--dry-run", is_flag=True, help="Only say what would go, and what stays.")
@click.option("--reason", help="Why; the audit log commits to it and keeps none of it.")
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON.")
@click.pass_context
def erase(ctx: click.Context, email: str, *, dry_run: bool, reason: str | None, as_json: bool) -> None:
    """Erase a person: what may go goes now, with certificates; what a hold or a contract keeps is named.

    Exit 3 where something that may go could not be erased: the same command goes on with it.
    """
    from domain.actor import SYSTEM

    context: Context = ctx.obj
    email = _address(email)
    with context.site() as site:
        report = site.erasing.run(SYSTEM, email, dry_run=dry_run, reason=reason)
    if as_json:
        click.echo(json.dumps(_report(report)))
    else:
        _tell(report)
    if not report.complete:
        ctx.exit(NOT_PURGED)


def _address(email: str) -> str:
    return sys.stdin.readline().strip() if email == "-" else email


def _keep(opening: Any, to: str | None) -> tuple[str, Dossier]:
    """Into a file of its own, begun anew where a file broke the export off: the next one leaves that out."""
    for left in reversed(range(TRIES)):
        opened = opening()
        path = Path(to if to is not None else opened.name)
        try:
            with new_file(path) as stream:
                _write(opened, stream)
        except (AlreadyPurged, Damaged):
            if not left:
                raise
        else:
            return str(path), opened.dossier
    raise AssertionError


def _send(opening: Any, stream: BinaryIO) -> Dossier:
    opened = opening()
    _write(opened, stream)
    dossier: Dossier = opened.dossier
    return dossier


def _write(opened: Any, stream: BinaryIO) -> None:
    try:
        stream.writelines(opened.chunks())
    finally:
        opened.close()


def _report(report: ErasureReport) -> dict[str, Any]:
    return {
        "request": report.request,
        "at": rfc3339(report.at),
        "dry_run": report.dry_run,
        "found": report.found,
        "complete": report.complete,
        "files": [
            {"attachment": one.attachment_id, "ticket": one.ticket, "certificate": one.certificate_id}
            for one in report.files
        ],
        "tickets": report.tickets,
        "links": report.links,
        "principals": report.principals,
        "mails": report.mails,
        "receipts": report.receipts,
        "uploads": report.uploads,
        "kept": [
            {
                "what": one.what,
                "name": one.name,
                "by": one.by,
                "rule": one.rule,
                "until": rfc3339(one.until) if one.until else None,
            }
            for one in report.kept
        ],
        "failed": [{"what": one.what, "name": one.name, "reason": one.reason} for one in report.failed],
        "reason_key": report.reason_key,
    }


def _tell(report: ErasureReport) -> None:
    if not report.found:
        click.echo("nothing is held of this address", err=True)
        return
    would = "would erase" if report.dry_run else "erased"
    for file in report.files:
        proof = f"  certificate {file.certificate_id}" if file.certificate_id else ""
        click.echo(f"{would} file {file.attachment_id}  ticket {file.ticket}{proof}")
    for what, names in (("ticket", report.tickets), ("link", report.links), ("name of", report.principals)):
        for name in names:
            click.echo(f"{would} {what} {name}")
    for kept in report.kept:
        rule = f"  {kept.rule}" if kept.rule else ""
        until = f", until {rfc3339(kept.until)}" if kept.until else ""
        click.echo(f"kept by {WORDS[kept.by]}: {kept.what} {kept.name}{rule}{until}")
    for failed in report.failed:
        click.echo(f"NOT erased: {failed.what} {failed.name}: {failed.reason}", err=True)
    click.echo(
        f"{len(report.tickets)} tickets, {len(report.files)} files, {len(report.links)} links, {report.mails} mails, "
        f"{report.receipts} receipts, {report.uploads} uploads; {len(report.kept)} kept, {len(report.failed)} failed; "
        f"request {report.request}",
        err=True,
    )


WORDS = {
    "hold": "a legal hold",
    "contract": "the customer's contract",
    "law": "a duty under the law",
    "access": "access in force (end it first: bilaga apikey revoke)",
}

COMMANDS = {"subject": subject}
