"""``bilaga hold``: legal holds."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from cli.main import Context
from cli.values import DAY
from domain.errors import BadInput

if TYPE_CHECKING:
    from domain.disposal import Hold
    from storage import Unit


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
@click.option(
    "--review-on",
    type=DAY,
    help="When somebody must look at it again; else the site's own time from now (hold_review).",
)
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


@hold.command(name="list")
@click.option("--review-before", type=DAY, help="Only those that somebody must look at before that day.")
@click.pass_obj
def list_(context: Context, review_before: date | None) -> None:
    """Holds in force, those to be looked at soonest first: id, day of review, what it is on, why."""
    from domain.actor import SYSTEM
    from domain.ids import HoldId

    after: tuple[date, HoldId] | None = None
    overdue = 0
    with context.site() as site:
        today = site.holds.today()

        def page(unit: Unit) -> list[tuple[Hold, str, str | None]]:
            found = site.holds.page(unit, SYSTEM, review_before=review_before, after=after, limit=200)
            return [(one, _on(unit, one), site.holds.open_reason(unit, one)) for one in found]

        while rows := site.records.read(page):
            for one, on, reason in rows:
                late = one.review_on is not None and one.review_on < today
                overdue += late
                mark = "  OVERDUE" if late else ""
                click.echo(f"{one.id}  {one.review_on}  {on}  {' '.join((reason or '').split())}{mark}")
            last = rows[-1][0]
            after = (last.review_on or date.max, last.id)
    if overdue:
        click.echo(f"{overdue} to be looked at again: their day of review has passed", err=True)


def _on(unit: Unit, hold: Hold) -> str:
    from domain.actor import EVERYTHING

    if hold.ticket_id is not None:
        ticket = unit.tickets.by_id(hold.ticket_id, EVERYTHING)
        return f"ticket {ticket.ref if ticket else hold.ticket_id}"
    if hold.organisation_id is None:
        return ""
    organisation = unit.organisations.by_id(hold.organisation_id, EVERYTHING)
    return f"organisation {organisation.ref if organisation else hold.organisation_id}"


COMMANDS = {"hold": hold}
