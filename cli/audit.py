"""``bilaga audit``: the log verified and exported, offline."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from cli.exits import BROKEN_LOG
from cli.main import Context


@click.group()
def audit() -> None:
    """The audit log."""


@audit.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="An export, no database.")
@click.option("--public-key", help="With --file: the key to trust, instead of the one in the export.")
@click.pass_context
def verify(ctx: click.Context, *, as_json: bool, file: Path | None, public_key: str | None) -> None:
    """Check every entry and checkpoint; exit 4 where the log was changed, naming the first bad record."""
    from audit import kept_checkpoints, kept_entries, verify_export
    from audit import verify as verify_log

    context: Context = ctx.obj
    if file is not None:
        with file.open("rb") as lines:
            report = verify_export(lines, public_key)
    else:
        with context.site() as site:
            report = verify_log(kept_entries(site.records), kept_checkpoints(site.records), site.log.public_key)
    if as_json:
        click.echo(json.dumps({**asdict(report), "root": report.root.hex()}))
    elif report.intact:
        click.echo(f"intact: {report.entries} entries, {report.signed} of them signed")
        for index in report.restored:
            click.echo(f"put back from a backup before record {index}")
    else:
        last = "" if report.last_bad in {None, report.first_bad} else f" to {report.last_bad}"
        click.echo(f"BROKEN at record {report.first_bad}{last}: {report.reason}")
    if not report.intact:
        ctx.exit(BROKEN_LOG)


@audit.command()
@click.pass_obj
def export(context: Context) -> None:
    """Write entries, checkpoints and public key as JSON lines to stdout; ``audit verify --file`` reads them."""
    from audit import write_export

    with context.site() as site:
        site.log.checkpoint(site.records)
        write_export(site.records, site.log, sys.stdout.buffer.write)


@audit.command()
@click.argument("certificate_id")
@click.pass_obj
def certificate(context: Context, certificate_id: str) -> None:
    """Print the certificate of a purge as JSON, its signature checked."""
    from audit import verify_certificate
    from domain.actor import SYSTEM
    from domain.ids import CertificateId
    from retention import find_certificate

    with context.site() as site:
        found = site.records.read(lambda unit: find_certificate(unit, SYSTEM, CertificateId(certificate_id)))
        click.echo(json.dumps(verify_certificate(found.document, found.signature, site.log.public_key), indent=2))


COMMANDS = {"audit": audit}
