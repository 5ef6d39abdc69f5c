"""``bilaga db``: the schema."""

from __future__ import annotations

import click

from cli.main import Context


@click.group()
def db() -> None:
    """The database."""


@db.command()
@click.pass_obj
def upgrade(context: Context) -> None:
    """Bring the schema to this release's; forward only."""
    from engines import upgrade_database

    changed = upgrade_database(context.settings())
    click.echo("upgraded" if changed else "up to date", err=True)


COMMANDS = {"db": db}
