"""What Zammad's JSON says, in our words. Pure; nothing here asks anybody.

Source: Zammad's REST API v1: tickets with ``expand``, users, organizations, articles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.ticket import TicketStatus
from tickets.answers import contract_end, email, entries, first, identifier, inner, instant, line, microseconds, number
from tickets.checks import MAX_NAME, MAX_SUBJECT
from tickets.desk import SourceFile, SourceTicket, Standing
from tickets.said import UNSAID, OrganisationFact, TicketFact

STATUSES: Mapping[str, TicketStatus] = {
    "new": TicketStatus.OPEN,
    "open": TicketStatus.OPEN,
    "pending reminder": TicketStatus.PENDING,
    "pending close": TicketStatus.PENDING,
    "closed": TicketStatus.CLOSED,
    "merged": TicketStatus.CLOSED,
    "removed": TicketStatus.CLOSED,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How tickets and organizations are read. ``organisation``: an organization's outside name is its ``id``, its
    ``name`` or what stands in another attribute. ``contract_field``: the attribute of its last day; None: none."""

    prefix: str = ""
    statuses: Mapping[str, TicketStatus] = field(default_factory=lambda: STATUSES)
    organisation: str = "id"
    contract_field: str | None = None


def source_ticket(
    item: Mapping[str, Any],
    *,
    reading: Reading,
    customer: Mapping[str, Any],
    organisation: Mapping[str, Any] | None,
    merged_into: str | None,
) -> SourceTicket | None:
    """A ticket; None for what is none. ``organisation`` None: it has none."""
    ticket_id = identifier(number(item.get("id")))
    if ticket_id is None:
        return None
    word = str(item.get("state") or "").casefold()
    status = reading.statuses.get(word, TicketStatus.PENDING)
    closed_at = first(instant(item.get("last_close_at")), instant(item.get("close_at")))
    fact = None if organisation is None else organisation_fact(organisation, reading)
    names = (customer.get("firstname"), customer.get("lastname"))
    return SourceTicket(
        id=ticket_id,
        version=microseconds(instant(item.get("updated_at"))),
        fact=TicketFact(
            ref=f"{reading.prefix}{ticket_id}",
            status=status,
            subject=line(item.get("title"), MAX_SUBJECT),
            requester_email=email(customer["email"]) if "email" in customer else UNSAID,
            requester_name=line(" ".join(str(one) for one in names if one), MAX_NAME) if customer else UNSAID,
            organisation=None if organisation is None else UNSAID if fact is None else fact.ref,
            opened_at=instant(item.get("created_at")) or UNSAID,
            last_activity_at=_active_at(item, status, closed_at) or UNSAID,
            closed_at=(closed_at or UNSAID) if status is TicketStatus.CLOSED else UNSAID,
        ),
        organisation=fact,
        standing=Standing.MERGED if word == "merged" else Standing.PRESENT,
        merged_into=merged_into if word == "merged" else None,
    )


def organisation_fact(item: Mapping[str, Any], reading: Reading) -> OrganisationFact | None:
    """An organization; None for one without what its name here is made of."""
    value = item.get(reading.organisation)
    found = identifier(line(value, MAX_NAME) if isinstance(value, str) else value)
    ref = identifier(f"{reading.prefix}{found}") if found and reading.organisation == "id" else found
    if ref is None:
        return None
    ends_on = contract_end(item, reading.contract_field)
    return OrganisationFact(ref=ref, name=line(item.get("name"), MAX_NAME), contract_ends_on=ends_on)


def source_files(articles: Sequence[Mapping[str, Any]], ticket_id: str) -> list[SourceFile]:
    """The files of articles, without those that are the article's own text, or pictures in it."""
    found = []
    for article in articles:
        article_id = number(article.get("id"))
        for item in entries(article.get("attachments")):
            file_id, name, more = number(item.get("id")), item.get("filename"), inner(item.get("preferences"))
            if file_id is None or article_id is None or _is_body(more):
                continue
            kind = more.get("Content-Type") or more.get("Mime-Type")
            found.append(
                SourceFile(
                    id=str(file_id),
                    ticket_id=ticket_id,
                    name=name if isinstance(name, str) and name else str(file_id),
                    media_type=kind if isinstance(kind, str) else None,
                    size=number(item.get("size")),
                    address=f"/api/v1/ticket_attachment/{ticket_id}/{article_id}/{file_id}",
                    part=str(article_id),
                    created_at=instant(article.get("created_at")),
                )
            )
    return found


def _is_body(preferences: Mapping[str, Any]) -> bool:
    inline = str(preferences.get("Content-Disposition") or "").casefold() == "inline"
    return preferences.get("content-alternative") is True or (inline and bool(preferences.get("Content-ID")))


def _active_at(item: Mapping[str, Any], status: TicketStatus, closed_at: datetime | None) -> datetime | None:
    """When something last passed between people. Internal notes, as ours are, do not count there; of a ticket that is
    not closed any change does."""
    told = [closed_at, *(instant(item.get(name)) for name in ("created_at", "last_contact_at"))]
    if status is not TicketStatus.CLOSED or item.get("last_contact_at") is None:
        told.append(instant(item.get("updated_at")))
    return max((at for at in told if at is not None), default=None)
