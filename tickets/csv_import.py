"""Tickets and organisations out of a CSV file, row by row: read to the end and checked before anything is done.

The first row names the columns. An empty cell says nothing, ``-`` says that there is none. Days and times as ISO 8601
writes them; a day by itself is the whole day: its end where something ended on it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

from domain.errors import BadInput
from domain.ticket import TicketStatus
from tickets.answers import MISSING, microseconds
from tickets.checks import (
    MAX_NAME,
    check_channel,
    check_day,
    check_email,
    check_instant,
    check_line,
    check_ref,
    check_subject,
    check_tags,
)
from tickets.desk import SourceTicket
from tickets.said import UNSAID, OrganisationFact, TicketFact

NONE: Final = "-"
TICKETS: Final = frozenset(
    {
        "ref",
        "status",
        "subject",
        "requester_email",
        "requester_name",
        "organisation",
        "opened_at",
        "last_activity_at",
        "closed_at",
        "updated_at",
        "channel",
        "tags",
    }
)
ORGANISATIONS: Final = frozenset({"ref", "name", "contract_ends_on"})
DELIMITERS: Final = (",", ";", "\t")
MOST_BYTES: Final = 1 << 20
"""Of one line; a file with a longer one is no list of tickets."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """What is wrong where: the line's number from 1, the column, None for the row as a whole."""

    number: int
    column: str | None
    detail: str


Row = SourceTicket | OrganisationFact | BadLine
Cells = Mapping[str, str]


def read_tickets(lines: Iterable[str], *, prefix: str, now: datetime) -> Iterator[Row]:
    """Tickets; ``ref`` without the connector's prefix. Of one without ``updated_at``, ``now`` is its version. Raises
    BadInput for a first row that names no columns of ours."""

    def ticket(cells: Cells) -> Row:
        own = check_ref(_needed(cells, "ref"), "ref")
        updated_at = _told(cells, "updated_at", lambda text: _instant(text, "updated_at", last=True))
        active_at = _told(cells, "last_activity_at", lambda text: _instant(text, "last_activity_at", last=True))
        fact = TicketFact(
            ref=check_ref(f"{prefix}{own}", "ref"),
            status=_told(cells, "status", _status) or UNSAID,
            subject=_told(cells, "subject", check_subject),
            requester_email=_told(cells, "requester_email", lambda text: check_email(text, "requester_email")),
            requester_name=_told(cells, "requester_name", lambda text: check_line(text, "requester_name", MAX_NAME)),
            organisation=_told(cells, "organisation", lambda text: check_ref(text, "organisation")),
            opened_at=_told(cells, "opened_at", lambda text: _instant(text, "opened_at", last=False)),
            last_activity_at=active_at or UNSAID,
            closed_at=_told(cells, "closed_at", lambda text: _instant(text, "closed_at", last=True)),
            channel=_told(cells, "channel", check_channel),
            tags=_told(cells, "tags", lambda text: check_tags(text.split(";"))),
        )
        version = updated_at if isinstance(updated_at, datetime) else now
        return SourceTicket(own, microseconds(version), fact)

    return _rows(lines, TICKETS, ticket)


def read_organisations(lines: Iterable[str]) -> Iterator[Row]:
    """Organisations and their contracts' ends. Raises BadInput as ``read_tickets``."""

    def organisation(cells: Cells) -> Row:
        return OrganisationFact(
            ref=check_ref(_needed(cells, "ref"), "ref"),
            name=_told(cells, "name", lambda text: check_line(text, "name", MAX_NAME)),
            contract_ends_on=_told(cells, "contract_ends_on", _day),
        )

    return _rows(lines, ORGANISATIONS, organisation)


def _rows(lines: Iterable[str], known: frozenset[str], make: Callable[[Cells], Row]) -> Iterator[Row]:
    first, rest = _first(lines)
    delimiter = max(DELIMITERS, key=first.count)
    names = _names(first, delimiter, known)
    reader = csv.reader(rest, delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # What comes after it cannot be told apart any more.
            yield BadLine(reader.line_num + 1, None, f"this is no CSV: {error}")
            return
        number = reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            yield BadLine(number, None, f"{len(cells)} cells, where {len(names)} are named")
            continue
        try:
            yield make({name: cell.strip() for name, cell in zip(names, cells, strict=True)})
        except BadInput as error:
            yield BadLine(number, error.field, error.detail)


def _first(lines: Iterable[str]) -> tuple[str, Iterator[str]]:
    bounded = _bounded(lines)
    for line in bounded:
        if line.strip():
            return line, bounded
    raise BadInput("The file is empty.")


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if len(line) > MOST_BYTES:
            raise BadInput("A line is too long: this is no list of tickets.")
        yield line


def _names(first: str, delimiter: str, known: frozenset[str]) -> list[str]:
    try:
        names = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter, strict=True))]
    except (csv.Error, StopIteration) as error:
        raise BadInput("The first line names no columns.") from error
    unknown = sorted(set(names) - known)
    if unknown or len(set(names)) != len(names) or "ref" not in names:
        detail = f"The first line must name ref, and others of {', '.join(sorted(known))}, each once"
        raise BadInput(f"{detail}; not known: {', '.join(unknown)[:200]}." if unknown else f"{detail}.")
    return names


def _needed(cells: Cells, name: str) -> str:
    text = cells.get(name, "")
    if text in {"", NONE}:
        raise BadInput("It must be there.", field=name)
    return text


def _told(cells: Cells, name: str, read: Callable[[str], Any]) -> Any:
    text = cells.get(name, MISSING)
    if text is MISSING or text == "":
        return UNSAID
    if text == NONE:
        return None
    return read(text)


def _status(text: str) -> TicketStatus:
    try:
        return TicketStatus(text.lower())
    except ValueError as error:
        raise BadInput("One of open, pending and closed is needed here.", field="status") from error


def _instant(text: str, column: str, *, last: bool) -> datetime:
    try:
        if len(text) == 10:
            at = datetime.combine(date.fromisoformat(text), time(23, 59, 59) if last else time(), UTC)
        else:
            at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput("A day, or an instant such as 2026-11-24T11:00:00Z, is needed here.", field=column) from error
    return check_instant(at, column)


def _day(text: str) -> date:
    try:
        return check_day(date.fromisoformat(text), "contract_ends_on")
    except ValueError as error:
        raise BadInput("A day such as 2026-11-24 is needed here.", field="contract_ends_on") from error
