"""``bilaga connector import``: tickets and contracts out of a CSV file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.exits import FINDINGS
from cli.main import Context
from domain.actor import SYSTEM
from domain.errors import BadInput, StateConflict

if TYPE_CHECKING:
    from installation import Site
    from storage import Unit
    from tickets import BadLine, OrganisationFact, SourceTicket

    Row = SourceTicket | OrganisationFact | BadLine

BATCH = 200
"""Rows of a transaction."""
SHOWN = 100


@click.command(name="import")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kind", type=click.Choice(["tickets", "organisations"]), default="tickets", show_default=True)
@click.option("--encoding", type=click.Choice(["utf-8", "cp1252", "latin-1"]), default="utf-8", show_default=True)
@click.option("--dry-run", is_flag=True, help="Check the file, change nothing.")
@click.option("--skip-bad", is_flag=True, help="Take the good lines although there are bad ones.")
@click.pass_context
def import_csv(
    ctx: click.Context, *, name: str, file: Path, kind: str, encoding: str, dry_run: bool, skip_bad: bool
) -> None:
    """Take tickets, or organisations with their contracts' ends, of the ticket system NAME out of FILE.

    Each bad line is named with its column, and then nothing is done and the exit code is 5, unless --skip-bad is given.
    A file may be taken again: what is known already stays as it is.
    """
    from tickets import read_organisations, read_tickets

    context: Context = ctx.obj
    with context.site() as site:
        frame = site.connectors.frames.get(name)
        if frame is None:
            raise BadInput(f"There is no section [connectors.{name}] in the configuration.")
        if kind == "tickets" and site.connectors.open(name).desk is not None:
            raise BadInput("Tickets of this system come from its API; only organisations can be imported for it.")
        now = site.clock()

        def rows(lines: Iterable[str]) -> Iterator[Row]:
            return read_tickets(lines, prefix=frame.prefix, now=now) if kind == "tickets" else read_organisations(lines)

        with _opened(file, encoding) as lines:
            good, bad = _checked(rows(lines))
        if dry_run or (bad and not skip_bad):
            click.echo(f"{good} good lines, {bad} bad ones; nothing was done", err=True)
        else:
            with _opened(file, encoding) as lines:
                _taken(site, name, rows(lines))
            click.echo(f"{good} {kind} taken, {bad} bad lines left out", err=True)
    if bad:
        ctx.exit(FINDINGS)


def _checked(rows: Iterator[Row]) -> tuple[int, int]:
    from tickets import BadLine

    good = bad = 0
    for row in rows:
        if not isinstance(row, BadLine):
            good += 1
            continue
        bad += 1
        if bad <= SHOWN:
            click.echo(f"line {row.number}{f', {row.column}' if row.column else ''}: {row.detail}")
    if bad > SHOWN:
        click.echo(f"and {bad - SHOWN} more")
    return good, bad


def _taken(site: Site, name: str, rows: Iterator[Row]) -> None:
    from tickets import BadLine

    site.reconcile.add(name)
    good = (row for row in rows if not isinstance(row, BadLine))
    while batch := list(islice(good, BATCH)):
        site.records.write(_keeping(site, name, batch))


def _keeping(site: Site, name: str, batch: list[SourceTicket | OrganisationFact]) -> Callable[[Unit], None]:
    from tickets import OrganisationFact

    def work(unit: Unit) -> None:
        read_at = site.records.now()
        for row in batch:
            try:
                if isinstance(row, OrganisationFact):
                    site.facts.take_organisation(unit, SYSTEM, row, read_at=read_at)
                else:
                    site.facts.apply(unit, SYSTEM, name, row, read_at=read_at)
            except (BadInput, StateConflict) as error:
                ref = row.ref if isinstance(row, OrganisationFact) else row.id
                raise BadInput(f"{ref}: {error.detail}", field=error.field) from error

    return work


@contextmanager
def _opened(file: Path, encoding: str) -> Iterator[Iterable[str]]:
    """The lines, a mark at the beginning that tells of UTF-8 left out."""
    try:
        with file.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as lines:
            yield lines
    except UnicodeDecodeError as error:
        raise BadInput("The file is not in that encoding: try --encoding cp1252.") from error
