"""``bilaga fsck``: rows and blobs compared both ways."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from cli.exits import FINDINGS
from cli.main import Context

if TYPE_CHECKING:
    from installation import Site
    from storage import Check


def _check(site: Site) -> Check:
    """The check; where no service runs, nothing unfinished is anybody's work in progress."""
    from domain.actor import SYSTEM
    from domain.event import Event, EventKind
    from engines import is_served
    from storage import Check, Finding, Unit

    def note(unit: Unit, finding: Finding) -> None:
        facts = {"finding": finding.kind.value}
        site.log.append(unit, Event(EventKind.FSCK_REPAIRED, SYSTEM, finding.subject_id, facts))

    def generations() -> set[int]:
        return {one.number for one in site.ring.generations() if one.state.value != "destroyed"}

    return Check(
        site.records,
        site.blobs,
        site.clock,
        generations=generations,
        digesting=site.digesting,
        note=note,
        # Where many nodes serve, none sweeps at its start: what an upload left is garbage for a day, and no finding.
        grace=timedelta(hours=24) if site.shared or is_served(site.settings) else timedelta(0),
    )


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
        for finding in _check(site).run(repair=repair, digests=digests):
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
