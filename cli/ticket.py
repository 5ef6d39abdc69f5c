"""``bilaga ticket`` and ``bilaga organisation``: facts by hand."""

from __future__ import annotations

from datetime import date, datetime

import click

from cli.main import Context
from cli.values import DATE_OR_NEVER, INSTANT


@click.group()
def ticket() -> None:
    """Tickets."""


@ticket.command(name="put")
@click.argument("ref")
@click.option("--organisation", help="Whose request it is.")
@click.option("--requester", help="The requester's mail address.")
@click.option("--status", type=click.Choice(["open", "pending", "closed"]))
@click.option("--tag", "tags", multiple=True, help="A word it is sorted by; several in several options, all at once.")
@click.option("--last-activity", type=INSTANT, help="RFC 3339.")
@click.pass_obj
def put_ticket(
    context: Context,
    ref: str,
    organisation: str | None,
    requester: str | None,
    status: str | None,
    tags: tuple[str, ...],
    last_activity: datetime | None,
) -> None:
    """Make or update a ticket; what is not said stays as it was."""
    from domain.actor import SYSTEM
    from domain.ticket import TicketStatus
    from tickets import UNSAID, TicketFact

    fact = TicketFact(
        ref=ref,
        status=TicketStatus(status) if status else UNSAID,
        organisation=organisation if organisation is not None else UNSAID,
        requester_email=requester if requester is not None else UNSAID,
        tags=tags or UNSAID,
        last_activity_at=last_activity if last_activity is not None else UNSAID,
    )
    with context.site() as site:
        put = site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, fact))
    due = put.ticket.purge_due_at
    click.echo(f"{'made' if put.created else 'updated'}; files go {due.isoformat() if due else 'not yet'}", err=True)


@ticket.command(name="address")
@click.argument("ref")
@click.pass_obj
def print_address(context: Context, ref: str) -> None:
    """Print the address under which the ticket takes mail."""
    from domain.actor import EVERYTHING
    from domain.errors import BadInput, NotFound

    with context.site() as site:
        addresses = site.mail_addresses
        if addresses is None:
            raise BadInput("mail has no door: set MAIL__LISTEN", field="MAIL__LISTEN")
        found = site.records.read(lambda unit: unit.tickets.get(ref, EVERYTHING))
    if found is None or found.erased_at is not None:
        raise NotFound
    click.echo(addresses.of(found))


@click.group()
def organisation() -> None:
    """Customer organisations."""


@organisation.command(name="put")
@click.argument("ref")
@click.option("--name", help="Its name.")
@click.option("--contract-ends", type=DATE_OR_NEVER, help="The contract's last day, or never.")
@click.pass_obj
def put_organisation(context: Context, ref: str, name: str | None, contract_ends: date | str | None) -> None:
    """Make or update an organisation; what is not said stays as it was."""
    from domain.actor import SYSTEM
    from tickets import UNSAID, OrganisationFact

    ends = UNSAID if contract_ends is None else None if isinstance(contract_ends, str) else contract_ends
    fact = OrganisationFact(ref=ref, name=name if name is not None else UNSAID, contract_ends_on=ends)
    with context.site() as site:
        put = site.records.write(lambda unit: site.facts.put_organisation(unit, SYSTEM, fact))
    click.echo("made" if put.created else "updated", err=True)


COMMANDS = {"ticket": ticket, "organisation": organisation}
