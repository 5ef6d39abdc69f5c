"""What Jira's JSON says, in our words. Pure; nothing here asks anybody.

Source: Jira Cloud's REST API v2 (issues) and Jira Service Management's (organizations).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.ticket import TicketStatus
from tickets.answers import contract_end, email, entries, identifier, inner, instant, line, microseconds, number, tags
from tickets.checks import MAX_NAME, MAX_SUBJECT
from tickets.desk import SourceFile, SourceTicket
from tickets.said import UNSAID, OrganisationFact, TicketFact, Unsaid

KEY = re.compile(r"[A-Z][A-Z0-9_]{0,30}-[0-9]{1,12}")
CATEGORIES: Mapping[str, TicketStatus] = {
    "new": TicketStatus.OPEN,
    "indeterminate": TicketStatus.OPEN,
    "done": TicketStatus.CLOSED,
}
"""Jira's three kinds of status, which every workflow's statuses are of."""
STATUSES: Mapping[str, TicketStatus] = {
    "waiting for customer": TicketStatus.PENDING,
    "pending": TicketStatus.PENDING,
}
ORGANISATIONS = "com.atlassian.servicedesk:sd-customer-organizations"
"""The kind of the field that says whose customers a request's are."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How issues are read. ``statuses`` by name go before their kind; ``organisation``: an organization's outside name
    is its ``id`` or its ``name``; ``contract_property``: the organization's property with its last day; None: none."""

    prefix: str = ""
    statuses: Mapping[str, TicketStatus] = field(default_factory=lambda: STATUSES)
    organisation: str = "id"
    contract_property: str | None = None


def source_ticket(
    item: Mapping[str, Any], *, reading: Reading, organisations_in: str | None, fact: OrganisationFact | None
) -> SourceTicket | None:
    """An issue, None for what is none. ``organisations_in``: the field's id, None: there is no such field; ``fact``:
    the first organization."""
    ticket_id, key = identifier(number(item.get("id"))), item.get("key")
    ref = identifier(f"{reading.prefix}{key}") if isinstance(key, str) and KEY.fullmatch(key) else None
    if ticket_id is None or ref is None:
        return None
    fields = inner(item.get("fields"))
    status = _status(inner(fields.get("status")), reading)
    updated_at, reporter = instant(fields.get("updated")), inner(fields.get("reporter"))
    whose: str | Unsaid | None = UNSAID
    if organisations_in is not None and organisations_in in fields:
        whose = None if not fields[organisations_in] else UNSAID if fact is None else fact.ref
    return SourceTicket(
        id=ticket_id,
        version=microseconds(updated_at),
        fact=TicketFact(
            ref=ref,
            status=status,
            subject=line(fields.get("summary"), MAX_SUBJECT),
            # An address that its owner hides is not told at all.
            requester_email=email(reporter["emailAddress"]) if "emailAddress" in reporter else UNSAID,
            requester_name=line(reporter["displayName"], MAX_NAME) if "displayName" in reporter else UNSAID,
            organisation=whose,
            opened_at=instant(fields.get("created")) or UNSAID,
            last_activity_at=updated_at or UNSAID,
            closed_at=(instant(fields.get("resolutiondate")) or UNSAID) if status is TicketStatus.CLOSED else UNSAID,
            tags=tags(fields.get("labels")),
        ),
        organisation=fact,
    )


def first_organisation(item: Mapping[str, Any], organisations_in: str | None) -> Mapping[str, Any] | None:
    """The first of an issue's organizations."""
    found = entries(inner(item.get("fields")).get(organisations_in)) if organisations_in is not None else []
    return found[0] if found else None


def organisation_fact(
    item: Mapping[str, Any], reading: Reading, properties: Mapping[str, Any]
) -> OrganisationFact | None:
    """An organization; None for one without what its name here is made of."""
    name = line(item.get("name"), MAX_NAME)
    found = identifier(item.get("id"))
    ref = (
        identifier(name)
        if reading.organisation == "name"
        else identifier(f"{reading.prefix}{found}")
        if found
        else None
    )
    if ref is None:
        return None
    return OrganisationFact(ref=ref, name=name, contract_ends_on=contract_end(properties, reading.contract_property))


def source_files(item: Mapping[str, Any], ticket_id: str) -> list[SourceFile]:
    """An issue's files."""
    found = []
    for one in entries(inner(item.get("fields")).get("attachment")):
        file_id, name, kind = number(one.get("id")), one.get("filename"), one.get("mimeType")
        if file_id is not None:
            found.append(
                SourceFile(
                    id=str(file_id),
                    ticket_id=ticket_id,
                    name=name if isinstance(name, str) and name else str(file_id),
                    media_type=kind if isinstance(kind, str) and kind else None,
                    size=number(one.get("size")),
                    address=f"/rest/api/3/attachment/content/{file_id}?redirect=false",
                    created_at=instant(one.get("created")),
                )
            )
    return found


def _status(status: Mapping[str, Any], reading: Reading) -> TicketStatus:
    known = reading.statuses.get(str(status.get("name") or "").casefold())
    category = inner(status.get("statusCategory")).get("key")
    return known or CATEGORIES.get(category if isinstance(category, str) else "", TicketStatus.PENDING)
