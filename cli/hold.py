"""``bilaga hold``: legal holds."""

from __future__ import annotations

from datetime import date

import click

from cli.main import Context
from cli.values import DAY
from domain.errors import BadInput


@click.group()
def hold() -> None:
    """Legal holds on a ticket (REF) or a whole organisation (--organisation ORG)."""


def _target(ref: str | None, organisation: str | None) -> None:
    if (ref is None) == (organisation is None):
        raise BadInput("name a ticket, or an organisation with --organisation")


@hold.command()
@click.argument("ref", required=False)
@click.option("--organisation", help="Hold all of its tickets, those to come too.")
@click.option("--reason", required=True, help="Why; sealed, and shown where the file is.")
@click.option("--review-on", type=DAY, help="When somebody must look at it again.")
@click.pass_obj
def place(context: Context, ref: str | None, organisation: str | None, reason: str, review_on: date | None) -> None:
    """Place a hold: nothing of it is erased while it is in force."""
    from domain.actor import SYSTEM

    _target(ref, organisation)
    with context.site() as site:
        if organisation is not None:
            site.records.write(
                lambda unit: site.holds.place_on_organisation(unit, SYSTEM, organisation, reason, review_on)
            )
        elif ref is not None:
            site.records.write(lambda unit: site.holds.place_on_ticket(unit, SYSTEM, ref, reason, review_on))


@hold.command()
@click.argument("ref", required=False)
@click.option("--organisation", help="Release an organisation's hold.")
@click.option("--reason", required=True, help="Why it ends.")
@click.pass_obj
def release(context: Context, ref: str | None, organisation: str | None, reason: str) -> None:
    """Release a hold."""
    from domain.actor import SYSTEM

    _target(ref, organisation)
    with context.site() as site:
        if organisation is not None:
            site.records.write(lambda unit: site.holds.release_from_organisation(unit, SYSTEM, organisation, reason))
        elif ref is not None:
            site.records.write(lambda unit: site.holds.release_from_ticket(unit, SYSTEM, ref, reason))


COMMANDS = {"hold": hold}
