"""``bilaga purge``: one run of the retention job, for cron or by hand."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import click

from cli.exits import NOT_PURGED
from cli.main import Context
from cli.values import INSTANT
from domain.clock import rfc3339

PATIENCE = timedelta(seconds=30)
"""How long to wait for a run at work, or for the lease of one that died (20 s): cron must not give up on the dead."""


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be purged.")
@click.option("--now", type=INSTANT, help="Narrows what is due; only a dry run looks past the clock.")
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON.")
@click.option("--confirm", type=click.IntRange(min=0), help="Release the brake for exactly so many due attachments.")
@click.pass_context
def purge(ctx: click.Context, *, dry_run: bool, now: datetime | None, as_json: bool, confirm: int | None) -> None:
    """Erase what is due; exit 3 where something due could not be erased, or where a brake stopped the run."""
    from domain.actor import SYSTEM

    context: Context = ctx.obj
    with context.site() as site:
        site.follow_policy()
        if not dry_run:
            for name in site.connectors.frames:
                site.reconcile.ask_about_due(name)
        report = site.purge.run(SYSTEM, now=now, dry_run=dry_run, confirm=confirm, patience=PATIENCE)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "now": rfc3339(report.now),
                    "dry_run": report.dry_run,
                    "complete": report.complete,
                    "due": report.due,
                    "held": report.held,
                    "purged": report.purged,
                    "resumed": report.resumed,
                    "tickets_erased": report.tickets_erased,
                    "items": [
                        {"attachment": one.attachment_id, "certificate": one.certificate_id} for one in report.items
                    ],
                    "would_purge": [
                        {"attachment": one.attachment_id, "due_at": rfc3339(one.due_at), "rule": one.rule}
                        for one in report.would_purge
                    ],
                    "kept_by_hold": [one.attachment_id for one in report.kept_by_hold],
                    "failed": [{"attachment": one.attachment_id, "reason": one.reason} for one in report.failed],
                }
            )
        )
    else:
        for one in report.would_purge:
            click.echo(f"would purge {one.attachment_id}  due {rfc3339(one.due_at)}  {one.rule}")
        for held in report.kept_by_hold:
            click.echo(f"kept by a hold {held.attachment_id}  due {rfc3339(held.due_at)}")
        for gone in report.items:
            click.echo(f"purged {gone.attachment_id}  certificate {gone.certificate_id}")
        for failed in report.failed:
            click.echo(f"NOT purged {failed.attachment_id}: {failed.reason}", err=True)
        what = f"{report.due} due" if dry_run else f"{report.purged} purged"
        click.echo(f"{what}, {report.held} kept by a hold, {len(report.failed)} failed", err=True)
    if not report.complete:
        ctx.exit(NOT_PURGED)


COMMANDS = {"purge": purge}
