"""What Zendesk's JSON says, in our words. Pure; nothing here asks anybody.

Source: Zendesk Support API v2: tickets, users, organizations, comments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.ticket import TicketStatus
from tickets.answers import (
    chosen,
    contract_end,
    email,
    entries,
    identifier,
    inner,
    instant,
    line,
    microseconds,
    number,
    tags,
)
from tickets.checks import MAX_NAME, MAX_SUBJECT
from tickets.desk import SourceFile, SourceTicket, Standing
from tickets.said import UNSAID, OrganisationFact, TicketFact, Unsaid

STATUSES: Mapping[str, TicketStatus] = {
    "new": TicketStatus.OPEN,
    "open": TicketStatus.OPEN,
    "pending": TicketStatus.PENDING,
    "hold": TicketStatus.PENDING,
    "solved": TicketStatus.CLOSED,
    "closed": TicketStatus.CLOSED,
    "deleted": TicketStatus.CLOSED,
}
CHANNELS: Mapping[str, str] = {"web": "portal", "email": "email", "voice": "phone", "chat": "chat", "api": "api"}
EXCHANGED = ("requester_updated_at", "assignee_updated_at", "status_updated_at", "solved_at")
REDACTED = "redacted.txt"


@dataclass(frozen=True, slots=True)
class Reading:
    """How tickets and organizations are read. ``organisation``: a customer's outside name is its ``id``, its ``name``,
    its ``external_id`` or what stands in a field of its own. ``contract_field``: of its last day; None: none."""

    prefix: str = ""
    statuses: Mapping[str, TicketStatus] = field(default_factory=lambda: STATUSES)
    organisation: str = "id"
    contract_field: str | None = None


def source_ticket(
    item: Mapping[str, Any],
    *,
    reading: Reading,
    users: Mapping[str, Mapping[str, Any]],
    organisations: Mapping[str, Mapping[str, Any]],
    metrics: Mapping[str, Mapping[str, Any]],
) -> SourceTicket | None:
    """A ticket with what came beside it; None for what is none."""
    ticket_id = identifier(number(item.get("id")))
    if ticket_id is None:
        return None
    word = str(item.get("status") or "").casefold()
    status = reading.statuses.get(word, TicketStatus.PENDING)
    trashed, times = word == "deleted", metrics.get(ticket_id, {})
    updated_at, user = instant(item.get("updated_at")), users.get(str(item.get("requester_id")))
    organisation = _organisation(item.get("organization_id"), organisations, reading)
    return SourceTicket(
        id=ticket_id,
        # Deleting does not always move the time, and is news all the same.
        version=microseconds(updated_at) + trashed,
        fact=TicketFact(
            ref=f"{reading.prefix}{ticket_id}",
            status=status,
            # A deleted ticket's texts are scrubbed: what is known stays.
            subject=UNSAID if trashed else line(item.get("subject"), MAX_SUBJECT),
            requester_email=UNSAID if user is None or trashed else email(user.get("email")),
            requester_name=UNSAID if user is None or trashed else line(user.get("name"), MAX_NAME),
            organisation=organisation.ref if isinstance(organisation, OrganisationFact) else organisation,
            opened_at=instant(item.get("created_at")) or UNSAID,
            last_activity_at=_active_at(item, times) or updated_at or UNSAID,
            closed_at=(instant(times.get("solved_at")) or UNSAID) if status is TicketStatus.CLOSED else UNSAID,
            channel=CHANNELS.get(str(inner(item.get("via")).get("channel")), "other"),
            tags=tags(item.get("tags")),
        ),
        organisation=organisation if isinstance(organisation, OrganisationFact) else None,
        standing=Standing.TRASHED if trashed else Standing.PRESENT,
    )


def _active_at(item: Mapping[str, Any], times: Mapping[str, Any]) -> datetime | None:
    """When one of both sides last did something, or the status changed; ``updated_at`` moves with our notes too, and
    with every automation. None: it is not told."""
    told = [at for name in EXCHANGED if (at := instant(times.get(name))) is not None]
    return max([*told, instant(item.get("created_at")) or told[0]]) if told else None


def organisation_fact(item: Mapping[str, Any], reading: Reading) -> OrganisationFact | None:
    """An organization; None for one without what its name here is made of."""
    if reading.organisation == "id":
        found = identifier(item.get("id"))
        ref = None if found is None else identifier(f"{reading.prefix}{found}")
    else:
        value = chosen(("organization_fields",), reading.organisation, item)
        ref = identifier(line(value, MAX_NAME) if isinstance(value, str) else value)
    if ref is None:
        return None
    ends_on = contract_end(inner(item.get("organization_fields")), reading.contract_field)
    return OrganisationFact(ref=ref, name=line(item.get("name"), MAX_NAME), contract_ends_on=ends_on)


def _organisation(
    organisation_id: Any, known: Mapping[str, Mapping[str, Any]], reading: Reading
) -> OrganisationFact | Unsaid | None:
    if organisation_id is None:
        return None
    item = known.get(str(organisation_id))
    found = None if item is None else organisation_fact(item, reading)
    return UNSAID if found is None else found


def source_files(comments: Sequence[Mapping[str, Any]], ticket_id: str) -> list[SourceFile]:
    """The files of comments; what was redacted is gone, and an empty ``redacted.txt`` stands for it."""
    return [
        found
        for comment in comments
        for item in entries(comment.get("attachments"))
        if (found := _source_file(item, comment, ticket_id)) is not None
    ]


def _source_file(item: Mapping[str, Any], comment: Mapping[str, Any], ticket_id: str) -> SourceFile | None:
    file_id, name, address = number(item.get("id")), item.get("file_name"), item.get("content_url")
    size = number(item.get("size"))
    if file_id is None or not isinstance(address, str) or not address:
        return None
    if item.get("deleted") is True or (name == REDACTED and not size):
        return None
    kind = item.get("content_type")
    return SourceFile(
        id=str(file_id),
        ticket_id=ticket_id,
        name=name if isinstance(name, str) and name else str(file_id),
        media_type=kind if isinstance(kind, str) and kind else None,
        size=size,
        address=address,
        part=identifier(number(comment.get("id"))),
        created_at=instant(comment.get("created_at")),
    )
