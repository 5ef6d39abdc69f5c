"""What Request Tracker's REST2 says, in our words. Pure; nothing here asks anybody.

Source: RT 5, REST2: tickets as records and as items of a search with ``fields``, users, attachments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from domain.ticket import TicketStatus
from tickets.answers import EPOCH, day, email, entries, identifier, inner, instant, line, microseconds, number
from tickets.checks import MAX_NAME, MAX_SUBJECT
from tickets.desk import SourceFile, SourceTicket, Standing
from tickets.said import UNSAID, OrganisationFact, TicketFact, Unsaid

STATUSES: Mapping[str, TicketStatus] = {
    "new": TicketStatus.OPEN,
    "open": TicketStatus.OPEN,
    "stalled": TicketStatus.PENDING,
    "resolved": TicketStatus.CLOSED,
    "rejected": TicketStatus.CLOSED,
    "deleted": TicketStatus.CLOSED,
}
"""Of the lifecycle that comes with RT; a word of another one means pending where the site says nothing else."""
FIELDS = "Status,Subject,Created,LastUpdated,LastUpdatedBy,Resolved,Requestor,CustomFields"
"""What a search is asked for beside ids."""
REQUESTOR = "Name,EmailAddress,RealName,Organization"
NONE = "none"
USER = "user"
DOMAIN = "domain"
FIELD = "cf:"
ORGANISATIONS = (NONE, USER, DOMAIN, FIELD)
"""Whose word on a ticket's organisation counts: nobody's, the requestor's *Organization*, the domain of their mail
address, or a custom field of the ticket."""
ANYBODYS = (
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "icloud.com",
    "me.com",
    "yahoo.com",
    "gmx.de",
    "gmx.net",
    "web.de",
    "proton.me",
    "protonmail.com",
)
"""Domains where anybody has an address: no organisation's."""
_TIES = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """How a ticket is read. ``contract_field``: the custom field with the contract's last day, None: none."""

    prefix: str = ""
    statuses: Mapping[str, TicketStatus] = field(default_factory=lambda: STATUSES)
    organisation: str = USER
    contract_field: str | None = None
    shared_domains: Sequence[str] = ANYBODYS


def source_ticket(
    item: Mapping[str, Any],
    *,
    reading: Reading,
    requestor: Mapping[str, Any],
    change: int,
    active_at: datetime | None = None,
) -> SourceTicket | None:
    """A ticket; None for what is none. ``change``: the id of its last transaction as far as is known, which tells
    changes within one second apart. ``active_at``: when something last happened, where not what RT says counts."""
    ticket_id = identifier(number(item.get("id")))
    if ticket_id is None:
        return None
    word = str(item.get("Status") or "").casefold()
    status = reading.statuses.get(word, TicketStatus.PENDING)
    updated_at = instant(item.get("LastUpdated")) or EPOCH
    organisation = _organisation(item, reading, requestor)
    ref = organisation.ref if isinstance(organisation, OrganisationFact) else organisation
    return SourceTicket(
        id=ticket_id,
        version=microseconds(updated_at.replace(microsecond=0)) + change % _TIES,
        fact=TicketFact(
            ref=f"{reading.prefix}{ticket_id}",
            status=status,
            subject=line(item.get("Subject"), MAX_SUBJECT),
            requester_email=email(requestor["EmailAddress"]) if "EmailAddress" in requestor else UNSAID,
            requester_name=line(requestor["RealName"], MAX_NAME) if "RealName" in requestor else UNSAID,
            organisation=ref,
            opened_at=_set(item.get("Created")) or UNSAID,
            last_activity_at=active_at or _set(item.get("LastUpdated")) or UNSAID,
            closed_at=(_set(item.get("Resolved")) or UNSAID) if status is TicketStatus.CLOSED else UNSAID,
        ),
        organisation=organisation if isinstance(organisation, OrganisationFact) else None,
        standing=Standing.TRASHED if word == "deleted" else Standing.PRESENT,
    )


def requestor_of(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first requestor: with what is known of them in a search, with their id alone in a record."""
    return next(iter(entries(item.get("Requestor"))), {})


def last_writer(item: Mapping[str, Any]) -> str | None:
    """The name of whoever changed it last."""
    return identifier(inner(item.get("LastUpdatedBy")).get("id"))


def pointed(value: Any) -> Any:
    """An id, by itself or as what RT makes of one that points to something."""
    return value.get("id") if isinstance(value, dict) else value


def custom_field(item: Mapping[str, Any], name: str) -> str | None:
    """The first value of a custom field; None: empty, or none of that name."""
    for one in entries(item.get("CustomFields")):
        values = one.get("values")
        if str(one.get("name", "")).casefold() == name.casefold() and isinstance(values, list) and values:
            return line(values[0], MAX_NAME)
    return None


def source_file(item: Mapping[str, Any], ticket_id: str) -> SourceFile | None:
    """A file of a list of attachments; None for the parts that are text of a message and what holds parts together."""
    attachment_id, name = number(item.get("id")), item.get("Filename")
    if attachment_id is None or not isinstance(name, str) or not name:
        return None
    kind = item.get("ContentType")
    return SourceFile(
        id=str(attachment_id),
        ticket_id=ticket_id,
        name=name,
        media_type=kind if isinstance(kind, str) and kind else None,
        size=number(item.get("ContentLength")),
        address=f"/REST/2.0/attachment/{attachment_id}",
        part=identifier(pointed(item.get("TransactionId"))),
        created_at=_set(item.get("Created")),
    )


def _organisation(
    item: Mapping[str, Any], reading: Reading, requestor: Mapping[str, Any]
) -> OrganisationFact | Unsaid | None:
    name = _organisation_name(item, reading, requestor)
    if name is None or isinstance(name, Unsaid):
        return name
    # An empty field says nothing: other tickets of the same organisation may tell the day.
    ends_on: date | Unsaid = UNSAID
    if reading.contract_field is not None and (written := custom_field(item, reading.contract_field)) is not None:
        ends_on = day(written) or UNSAID
    return OrganisationFact(ref=name, name=name, contract_ends_on=ends_on)


def _organisation_name(item: Mapping[str, Any], reading: Reading, requestor: Mapping[str, Any]) -> str | Unsaid | None:
    if reading.organisation == NONE:
        return UNSAID
    if reading.organisation.startswith(FIELD):
        return identifier(custom_field(item, reading.organisation.removeprefix(FIELD)))
    if not {"Organization", "EmailAddress"} <= set(requestor):
        return UNSAID  # we were not told
    if reading.organisation == USER:
        return identifier(line(requestor.get("Organization"), MAX_NAME))
    domain = (email(requestor.get("EmailAddress")) or "").rpartition("@")[2].casefold()
    return None if domain in reading.shared_domains else identifier(domain)


def _set(value: Any) -> datetime | None:
    """An instant; RT writes the beginning of 1970 where there is none."""
    found = instant(value)
    return None if found == EPOCH else found
