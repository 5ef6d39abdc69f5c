"""``bilaga apikey`` and ``bilaga signin``: who may come in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from cli.main import Context

if TYPE_CHECKING:
    from domain.ids import PrincipalId
    from storage import Principal, Unit


@click.group()
def apikey() -> None:
    """API keys of agents, admins, auditors, connectors and contacts."""


@apikey.command()
@click.option("--role", required=True, type=click.Choice(["agent", "admin", "auditor", "connector", "contact"]))
@click.option("--name", required=True, help="Whose key it is.")
@click.option("--organisation", help="With the role contact: whose contact.")
@click.pass_obj
def create(context: Context, role: str, name: str, organisation: str | None) -> None:
    """Make a key and print it, this once, alone on stdout."""
    from domain.actor import SYSTEM, Role

    with context.site() as site:
        made = site.records.write(
            lambda unit: site.people.make_key(unit, SYSTEM, Role(role), name, organisation_ref=organisation)
        )
    click.echo(made.token)
    click.echo(f"principal {made.principal.id}", err=True)


@apikey.command()
@click.argument("principal")
@click.pass_obj
def revoke(context: Context, principal: str) -> None:
    """End a principal and all its keys and sessions, at once."""
    from domain.actor import SYSTEM
    from domain.ids import PrincipalId

    with context.site() as site:
        site.records.write(lambda unit: site.people.disable(unit, SYSTEM, PrincipalId(principal)))


def _page(unit: Unit, after: PrincipalId | None) -> Sequence[Principal]:
    return unit.access.principals(after=after, limit=500)


@apikey.command(name="list")
@click.pass_obj
def list_(context: Context) -> None:
    """Principals: id, role, since when, name."""
    with context.site() as site:
        after: PrincipalId | None = None
        while rows := site.records.read(partial(_page, after=after)):
            for row in rows:
                ended = "  (ended)" if row.disabled_at else ""
                click.echo(f"{row.id}  {row.role.value:10}{row.created_at:%Y-%m-%d}  {site.people.name(row)}{ended}")
            after = rows[-1].id


@click.command()
@click.option("--role", required=True, type=click.Choice(["agent", "admin", "auditor", "contact"]))
@click.option("--name", required=True, help="Who signs in.")
@click.option("--organisation", help="With the role contact: whose contact.")
@click.pass_obj
def signin(context: Context, role: str, name: str, organisation: str | None) -> None:
    """Make a link that signs somebody in once, within a day, and print it alone on stdout."""
    from domain.actor import SYSTEM, Role

    with context.site() as site:
        made = site.records.write(
            lambda unit: site.people.make_sign_in(unit, SYSTEM, Role(role), name, organisation_ref=organisation)
        )
        click.echo(f"{site.public_url}/signin/{made.token}")


COMMANDS = {"apikey": apikey, "signin": signin}
