"""``bilaga connector evacuate``: bring a ticket system's files home, by hand."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from cli.exits import NOT_PURGED, UNAVAILABLE
from cli.main import Context
from domain.errors import BadInput

if TYPE_CHECKING:
    from installation import Site
    from tickets import EvacuationReport

PATIENCE = timedelta(seconds=90)
"""How long to wait for a run at work, or for the lease of one that died (60 s)."""
WAIT = timedelta(minutes=30)
"""How long, altogether, to wait for a system that asks to be left alone for a while."""
LEFT = NOT_PURGED
"""The code where something stays at its source, as of a purge that could not erase everything."""


@click.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only say what would be brought home.")
@click.option("--again", is_flag=True, help="From the beginning, and what was left before as well.")
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON.")
@click.pass_context
def evacuate(ctx: click.Context, *, name: str, dry_run: bool, again: bool, as_json: bool) -> None:
    """Bring home the files of the ticket system NAME: a link takes their place there.

    Exit 3 where something is left there, 75 where the run was stopped and the same command may go on later.
    """
    context: Context = ctx.obj
    with context.site() as site, ExitStack() as stack:
        report = _run(site, stack, name, dry_run=dry_run, again=again)
    if as_json:
        click.echo(json.dumps(_shown(report)))
    else:
        _tell(report)
    if report.stopped is not None:
        ctx.exit(UNAVAILABLE)
    if not dry_run and not report.complete:
        ctx.exit(LEFT)


def _run(site: Site, stack: ExitStack, name: str, *, dry_run: bool, again: bool) -> EvacuationReport:
    from evacuation import evacuation_of
    from keys import Node
    from service import reception_beside

    frame = site.connectors.frames.get(name)
    if frame is None:
        raise BadInput(f"There is no connector of that name: {name}")
    desk = site.connectors.open(name).desk
    if desk is None:
        raise BadInput(f"connectors.{name} has no API that files could be fetched by.")
    if not (frame.evacuate or dry_run):
        raise BadInput(f"connectors.{name}.evacuate is not true: set it once a dry run says what you expect.")
    node = Node(site.records, alone=not site.shared)
    if not dry_run:
        node.beat()
        stack.callback(node.leave)
    reception = reception_beside(site, stack, node)
    evacuation = evacuation_of(site, reception, name, desk, delete=frame.delete, node=node)
    return evacuation.look(again=again) if dry_run else evacuation.run(again=again, patience=PATIENCE, wait=WAIT)


def _shown(report: EvacuationReport) -> dict[str, object]:
    counts = ("tickets", "seen", "kept", "kept_bytes", "notes", "deleted", "waiting")
    return {
        "connector": report.connector,
        "dry_run": report.dry_run,
        "complete": report.complete,
        **{count: getattr(report, count) for count in counts},
        "left": [{"ticket": one.ticket, "file": one.file, "reason": one.reason} for one in report.left],
        "trouble": [{"ticket": one.ticket, "reason": one.reason} for one in report.trouble],
        "stopped": report.stopped,
    }


def _tell(report: EvacuationReport) -> None:
    for one in report.left:
        click.echo(f"left: file {one.file} on ticket {one.ticket}: {one.reason}")
    for one in report.trouble:
        click.echo(f"NOT looked at: ticket {one.ticket}: {one.reason}", err=True)
    if report.dry_run:
        told = f"{report.seen} files of {report.kept_bytes} bytes would be brought home"
    else:
        told = f"{report.kept} kept ({report.kept_bytes} bytes), {report.deleted} deleted there"
    told += f", on {report.tickets} tickets; {report.waiting} on their way, {len(report.left)} left"
    click.echo(told if report.stopped is None else f"{told}; stopped: {report.stopped}", err=True)
