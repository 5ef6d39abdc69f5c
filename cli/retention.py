"""``bilaga retention``: the policy in force, what another one would do, and its two people."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from cli.main import Context
from cli.values import INSTANT

if TYPE_CHECKING:
    from domain.actor import Actor
    from domain.disposal import KeptPolicy
    from installation import Site
    from retention import Nearer, Policy
    from storage import Unit


@click.group()
def retention() -> None:
    """The retention policy: what is in force, what a change would do, and who stands for it."""


@retention.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def show(context: Context, *, as_json: bool) -> None:
    """The policy in force, the one that is configured, and the one that waits for a second person."""
    with context.site() as site:
        current, proposed = site.records.read(lambda unit: (site.policies.current(unit), site.policies.proposal(unit)))
        configured = site.policies.configured
    if as_json:
        shown: dict[str, Any] = {
            "in_force": json.loads(current.document),
            "configured": json.loads(configured.document),
            "followed": current.fingerprint == configured.fingerprint,
            "proposal": None if proposed is None else _proposal(proposed),
        }
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        for line in _lines(current):
            click.echo(line)
        if proposed is not None:
            click.echo(f"waits for a second person: {proposed.id}, proposed by {proposed.proposed_by}")
    if current.fingerprint != configured.fingerprint:
        click.echo(unconfirmed(), err=True)


def unconfirmed() -> str:
    """What to say where the configured policy is not the one in force."""
    return (
        "NOT IN FORCE: the configured retention policy would bring dates nearer. bilaga retention preview lists what"
        " would go; bilaga retention propose and, by another person, bilaga retention confirm let it take effect"
    )


@retention.command()
@click.option("--now", type=INSTANT, help="What would go at that instant; the clock's where nothing is said.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def preview(context: Context, *, now: datetime | None, as_json: bool) -> None:
    """List every file whose date the configured policy would bring nearer; it changes nothing.

    In a line: the attachment, its ticket, the date before and after, the rules of both, and whether it would go now.
    """
    from retention import Change

    with context.site() as site:
        at = now or site.clock()
        current = site.records.read(site.policies.current)
        tickets = files = going = 0
        for one in Change(current.decide, site.policies.configured.decide).nearer(site.records):
            tickets += 1
            for attachment_id in one.files:
                files += 1
                going += one.goes(at) and not one.held
                click.echo(_line(one, attachment_id, at, as_json=as_json))
    click.echo(f"{files} files of {tickets} tickets go sooner, {going} of them now", err=True)


def _line(one: Nearer, attachment_id: str, at: datetime, *, as_json: bool) -> str:
    from domain.clock import rfc3339

    before = None if one.before.due_at is None else rfc3339(one.before.due_at)
    after = None if one.after.due_at is None else rfc3339(one.after.due_at)
    if as_json:
        said = {
            "attachment": attachment_id,
            "ticket": one.ticket.ref,
            "due_before": before,
            "due_after": after,
            "rule_before": one.before.rule,
            "rule_after": one.after.rule,
            "held": one.held,
            "goes_now": one.goes(at) and not one.held,
        }
        return json.dumps(said, ensure_ascii=False)
    fate = "held" if one.held else "NOW" if one.goes(at) else "later"
    what = f"{before or 'no date'} ({one.before.rule}) -> {after} ({one.after.rule})"
    return f"{attachment_id}  {one.ticket.ref}  {what}  {fate}"


@retention.command()
@click.option("--by", required=True, metavar="PRINCIPAL", help="Which administrator: the principal's id or name.")
@click.pass_obj
def propose(context: Context, by: str) -> None:
    """Propose the configured policy, and print the proposal's id: another administrator confirms it."""
    with context.site() as site:
        kept = site.records.write(lambda unit: site.policies.propose(unit, _person(site, unit, by)))
    click.echo(kept.id)


@retention.command()
@click.argument("proposal")
@click.option("--by", required=True, metavar="PRINCIPAL", help="Which administrator: not the one who proposed it.")
@click.pass_obj
def confirm(context: Context, proposal: str, by: str) -> None:
    """Let a proposed policy take effect, and compute the dates anew."""
    from domain.ids import PolicyId

    with context.site() as site:
        site.records.write(lambda unit: site.policies.confirm(unit, _person(site, unit, by), PolicyId(proposal)))
        changed = site.keep_dates()
    click.echo(f"in force; {changed} tickets have another date", err=True)


def _person(site: Site, unit: Unit, said: str) -> Actor:
    """The administrator of that id or name. Raises NotFound, and BadInput where several are meant."""
    from domain.actor import Actor, Role
    from domain.errors import BadInput, NotFound

    found = []
    after = None
    while rows := unit.access.principals(after=after, limit=500):
        found += [
            row
            for row in rows
            if row.role is Role.ADMIN and row.disabled_at is None and said in (row.id, site.people.name(row))
        ]
        after = rows[-1].id
    if not found:
        raise NotFound("there is no administrator of that id or name", field="--by")
    if len(found) > 1:
        raise BadInput("several administrators have that name; say an id", field="--by")
    return Actor(Role.ADMIN, found[0].id)


def _lines(policy: Policy) -> list[str]:
    lines = [f"zone {policy.zone.key}"]
    for rule in policy.rules:
        rests = f"  (rests on {rule.decision})" if rule.decision else ""
        lines.append(f"{rule.name}: {rule.span.words}, by {rule.ground.value}{rests}")
    return lines


def _proposal(kept: KeptPolicy) -> dict[str, Any]:
    return {
        "id": kept.id,
        "policy": json.loads(kept.document),
        "proposed_by": kept.proposed_by,
        "proposed_at": kept.proposed_at.isoformat(),
    }


COMMANDS = {"retention": retention}
