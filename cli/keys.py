"""``bilaga keys``: generations of the key-encryption key, and one attachment's key for break-glass."""

from __future__ import annotations

import click

from cli.exits import FINDINGS
from cli.main import Context


@click.group()
def keys() -> None:
    """The key-encryption key, in generations."""


@keys.command(name="list")
@click.pass_obj
def list_(context: Context) -> None:
    """Generations: number, state, since when, how many keys it wraps now and ever wrapped."""
    from domain.actor import SYSTEM

    with context.site() as site:
        for one in site.rotation.list(SYSTEM):
            click.echo(
                f"{one.number:4}  {one.state.value:10}{one.created_at:%Y-%m-%d %H:%M}  "
                f"{one.keys} keys now, {one.uses} ever"
            )


@keys.command()
@click.pass_obj
def rotate(context: Context) -> None:
    """Make a new generation; the one before still opens what it wraps."""
    from domain.actor import SYSTEM

    with context.site() as site:
        click.echo(site.rotation.rotate(SYSTEM).number)


@keys.command()
@click.pass_context
def rewrap(ctx: click.Context) -> None:
    """Move every data key to the newest generation; no blob is touched, and it may be stopped and run again."""
    from domain.actor import SYSTEM

    context: Context = ctx.obj
    with context.site() as site:
        done = site.rotation.rewrap(SYSTEM)
    click.echo(f"{done.count} moved", err=True)
    for owner, code in done.failed:
        click.echo(f"NOT moved {owner}: {code}", err=True)
    if done.failed:
        ctx.exit(FINDINGS)


@keys.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--force", is_flag=True, help="Before it has rested for seven days.")
@click.pass_obj
def destroy(context: Context, number: int, *, force: bool) -> None:
    """Destroy a retired generation that wraps nothing any more: older database backups open nothing then."""
    from domain.actor import SYSTEM

    with context.site() as site:
        site.rotation.destroy(SYSTEM, number, force=force)


@keys.command()
@click.argument("attachment_id")
@click.pass_obj
def export(context: Context, attachment_id: str) -> None:
    """Print an attachment's key string, alone on stdout, for ``bilaga unseal``. This is an audit event."""
    from domain.actor import EVERYTHING, SYSTEM
    from domain.attachment import LIVE, AttachmentState
    from domain.errors import AlreadyPurged, NotFound
    from domain.event import Event, EventKind
    from domain.ids import AttachmentId
    from keys import ATTACHMENT
    from storage import Unit

    with context.site() as site:

        def work(unit: Unit) -> str:
            row = unit.attachments.get(AttachmentId(attachment_id), EVERYTHING)
            if row is None or row.state is AttachmentState.RECEIVING:
                raise NotFound
            if row.state not in LIVE:
                raise AlreadyPurged
            key = site.keys.get(unit, row.id, ATTACHMENT)
            site.log.append(unit, Event(EventKind.KEY_EXPORTED, SYSTEM, row.id))
            return key.key_string(site.keys.context(row.id, ATTACHMENT), row.segment_size)

        click.echo(site.records.write(work))


COMMANDS = {"keys": keys}
