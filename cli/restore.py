"""``bilaga restore``: after a backup was put back, before the service is started."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict

import click

from cli.exits import NOT_PURGED
from cli.main import Context

UNINFORMED = (
    "AUDIT_EXPORT {why}: what was erased, revoked, held or found infected after this backup was made "
    "is not known, and is as the backup has it"
)
WORDS = {
    "attachments": "attachments erased again",
    "tickets": "tickets erased again",
    "revoked_links": "links revoked again",
    "credentials": "keys and people disabled again",
    "infected": "files quarantined again",
    "held": "holds placed again, without their reasons",
    "counted_links": "links that count downloads revoked",
    "grants": "running downloads ended",
    "sessions": "sessions and sign-ins ended",
}


@click.command()
@click.pass_context
def restore(ctx: click.Context) -> None:
    """Make a database that was put back from a backup fit to be served: what had ended ends again.

    Exit 3 where bytes of something erased could not be removed now: unreadable, and tried again by the next purge.
    """
    import logs
    from keys import Alone
    from retention import Restoration
    from server import open_site

    context: Context = ctx.obj
    settings = context.settings()
    logs.start("error" if settings.log_level == "info" else settings.log_level)
    with open_site(settings, serving=True) as site, ExitStack() as stack:
        if site.shared:  # no lock of a folder says that nobody serves it
            stack.enter_context(Alone(site.records, dead=False, say=lambda line: click.echo(line, err=True)))
        restored = Restoration(site.records, site.purge, site.holds, site.log, site.clock).run()
        site.log.checkpoint(site.records)
    if not restored.informed:
        why = "is not set" if settings.audit_export is None else "has nothing of this site"
        click.echo(UNINFORMED.format(why=why), err=True)
    counts = asdict(restored)
    for name, words in WORDS.items():
        click.echo(f"{counts[name]} {words}")
    if restored.failed:
        ctx.exit(NOT_PURGED)


COMMANDS = {"restore": restore}
