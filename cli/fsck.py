"""``bilaga fsck``: rows and blobs compared both ways."""

from __future__ import annotations

import json

import click

from cli.exits import FINDINGS
from cli.main import Context


@click.command()
@click.option("--repair", is_flag=True, help="Mend what is safe to mend; never deletes what was acknowledged.")
@click.option("--digests", is_flag=True, help="Read every blob and compare its SHA-256.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def fsck(ctx: click.Context, *, repair: bool, digests: bool, as_json: bool) -> None:
    """Compare database and store; exit 0 clean, 5 findings. Changes nothing without --repair."""
    from dataclasses import asdict

    context: Context = ctx.obj
    found = 0
    with context.site() as site:
        for finding in site.check(repair=repair, digests=digests):
            found += 1
            shown = asdict(finding)
            if as_json:
                click.echo(json.dumps(shown, default=str))
            else:
                mended = " (mended)" if finding.repaired else ""
                click.echo(f"{finding.kind.value}: {finding.subject_id}: {finding.detail}{mended}")
    if not as_json:
        click.echo(f"{found} findings" if found else "clean", err=True)
    if found:
        ctx.exit(FINDINGS)


COMMANDS = {"fsck": fsck}
