"""``bilaga connector``: ticket systems, set up, tried out and read."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from cli.evacuate import evacuate
from cli.exits import FINDINGS, UNAVAILABLE
from cli.import_csv import import_csv
from cli.main import Context
from domain.clock import rfc3339
from domain.errors import BadInput

if TYPE_CHECKING:
    from installation import Site
    from tickets import Frame

PATIENCE = timedelta(seconds=130)
"""How long to wait for a round at work, or for the lease of one that died (2 min)."""


@click.group()
def connector() -> None:
    """Ticket systems: sections [connectors.NAME] of the configuration."""


@connector.command(name="add")
@click.argument("name")
@click.option("--new-secret", is_flag=True, help="Make another webhook secret: the one before is worth nothing then.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def add(context: Context, *, name: str, new_secret: bool, as_json: bool) -> None:
    """Know the ticket system NAME from now on, and print what to set up in it: the address of its webhooks, and their
    secret. Asks the system nothing: `bilaga connector test NAME` does."""
    with context.site() as site:
        _frame(site, name)
        site.connectors.open(name)
        row = site.reconcile.add(name, new_secret=new_secret)
        made = site.connectors.open(name, row.secret_number)
        address = f"{site.public_url}/hooks/{name}"
        secret = site.connectors.secret(name, row.secret_number) if made.hook is not None else None
        recipe = made.recipe(address, secret) if made.recipe is not None and secret is not None else None
    if as_json:
        click.echo(json.dumps({"connector": name, "hook": made.hook and address, "secret": secret, "recipe": recipe}))
        return
    click.echo(f"connector {name} ({row.kind}) is known", err=True)
    if recipe is not None:
        click.echo(recipe)
    elif made.hook is not None:
        click.echo(f"address  {address}\nsecret   {secret}")
    else:
        click.echo("it has no webhooks: it is asked every so often", err=True)


@connector.command(name="test")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def test(ctx: click.Context, *, name: str, as_json: bool) -> None:
    """Try out the ticket system NAME, changing nothing: a line for each thing it needs; exit 5 where one fails."""
    context: Context = ctx.obj
    with context.site() as site:
        _frame(site, name)
        desk = site.connectors.open(name).desk
        checks = [] if desk is None else list(desk.check())
    if as_json:
        shown = [{"name": one.name, "ok": one.ok, "detail": one.detail} for one in checks]
        click.echo(json.dumps({"connector": name, "ok": all(one.ok for one in checks), "checks": shown}))
    else:
        for one in checks:
            click.echo(f"{'ok  ' if one.ok else 'FAIL'}  {one.name}: {one.detail}")
        if desk is None:
            click.echo("it has no API to ask: its webhooks say everything")
    if not all(one.ok for one in checks):
        ctx.exit(FINDINGS)


@connector.command(name="sync")
@click.argument("name")
@click.option("--full", is_flag=True, help="From the beginning, and ask about each ticket that is not listed any more.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.pass_context
def sync(ctx: click.Context, *, name: str, full: bool, as_json: bool) -> None:
    """Read the ticket system NAME once, now. Exit 5 where tickets were refused, 75 where the system stopped it."""
    context: Context = ctx.obj
    with context.site() as site:
        _frame(site, name)
        report = site.reconcile.run(name, full=full, patience=PATIENCE)
    if as_json:
        click.echo(json.dumps(report.shown()))
    else:
        for line in _lines(report.shown()):
            click.echo(line)
    if report.trouble is not None:
        ctx.exit(UNAVAILABLE)
    if report.refused:
        ctx.exit(FINDINGS)


@connector.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def list_all(context: Context, *, as_json: bool) -> None:
    """How far each ticket system is read."""
    with context.site() as site:
        rows = {row.name: row for row in site.records.read(lambda unit: unit.connectors.all())}
        frames = site.connectors.frames
    found: list[dict[str, Any]] = []
    for name in sorted({*frames, *rows}):
        row = rows.get(name)
        times = {key: getattr(row, key, None) for key in ("polled_at", "organisations_at", "next_at")}
        found.append(
            {
                "connector": name,
                "kind": frames[name].kind if name in frames else getattr(row, "kind", None),
                "configured": name in frames,
                "known": row is not None,
                "trouble": getattr(row, "trouble", None),
                **{key: None if at is None else rfc3339(at) for key, at in times.items()},
            }
        )
    if as_json:
        click.echo(json.dumps(found))
        return
    for one in found:
        state = one["trouble"] or (f"as of {one['polled_at']}" if one["polled_at"] else "not read yet")
        click.echo(f"{one['connector']}  {one['kind']}  {state}{'' if one['configured'] else '  (not configured)'}")


@connector.command(name="forget")
@click.argument("name")
@click.pass_obj
def forget(context: Context, *, name: str) -> None:
    """Let go of the ticket system NAME, which no section names any more: its tickets stay as they are, and are erased
    by what was last known of them."""
    with context.site() as site:
        if name in site.connectors.frames:
            raise BadInput(f"connectors.{name} is still in the configuration: take it out first")
        count = site.reconcile.forget(name)
    click.echo(f"{count} tickets go on without it", err=True)


def _frame(site: Site, name: str) -> Frame:
    frame = site.connectors.frames.get(name)
    if frame is None:
        raise BadInput(f"There is no section [connectors.{name}] in the configuration.")
    return frame


def _lines(report: dict[str, Any]) -> list[str]:
    counts = ("seen", "new", "changed", "gone", "organisations", "hints", "asked_again", "notes_written")
    lines = ["  ".join(f"{name.replace('_', ' ')} {report[name]}" for name in counts)]
    waiting = ("hints_waiting", "notes_waiting", "files_waiting")
    lines += [f"{name.replace('_', ' ')}: {report[name]}" for name in waiting if report[name]]
    lines += [f"refused: {one['id']} ({one['field']})" for one in report["refused"]]
    if report["trouble"]:
        lines.append(f"stopped: {report['detail']} ({report['trouble']}), again from {report['wait_until']}")
    return lines


connector.add_command(evacuate)
connector.add_command(import_csv)
COMMANDS = {"connector": connector}
