"""What Freshdesk's JSON says, in our words: tickets, companies, files. Pure; nothing here asks anybody.

Source: Freshdesk API v2, tickets, conversations and companies. What people wrote is made fit, never refused: a ticket
must not be kept from us by an odd subject.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from domain.ticket import TicketStatus
from tickets.answers import EPOCH, day, email, entries, inner, instant, line, microseconds, number, tags
from tickets.checks import MAX_NAME, MAX_SUBJECT
from tickets.desk import SourceFile, SourceTicket, Standing
from tickets.said import UNSAID, OrganisationFact, TicketFact, Unsaid

log = logging.getLogger(__name__)

STATUSES: Mapping[int, TicketStatus] = {
    2: TicketStatus.OPEN,
    3: TicketStatus.PENDING,
    4: TicketStatus.CLOSED,
    5: TicketStatus.CLOSED,
}
"""Freshdesk's own; 6 and up an account defines, and they mean pending where it says nothing else."""
CHANNELS: Mapping[int, str] = {
    1: "email",
    2: "portal",
    3: "phone",
    7: "chat",
    9: "feedback-widget",
    10: "outbound-email",
}
_EXCHANGED = ("agent_responded_at", "requester_responded_at", "status_updated_at")
"""Of ``stats``: with none of these it does not tell when something last happened."""


def written(at: datetime) -> str:
    """An instant as the API takes it: whole seconds, rounded down."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def source_ticket(
    item: Mapping[str, Any],
    ticket_id: int,
    *,
    prefix: str,
    statuses: Callable[[int], TicketStatus],
    organisation_ref: str | Unsaid | None,
    organisation: OrganisationFact | None,
) -> SourceTicket:
    """A ticket of a list or by itself (``include=requester,stats``)."""
    updated_at = instant(item.get("updated_at")) or EPOCH
    standing = _standing(item)
    stats, requester = inner(item.get("stats")), inner(item.get("requester"))
    status = statuses(number(item.get("status")) or 2)
    return SourceTicket(
        id=str(ticket_id),
        # A ticket may go to the trash or to spam without its time being changed, and that is news all the same.
        version=microseconds(updated_at) + (0 if standing is Standing.PRESENT else 1),
        fact=TicketFact(
            ref=f"{prefix}{ticket_id}",
            status=status,
            subject=line(item.get("subject"), MAX_SUBJECT),
            requester_email=email(requester.get("email")) if requester else UNSAID,
            requester_name=line(requester.get("name"), MAX_NAME) if requester else UNSAID,
            organisation=organisation_ref,
            opened_at=instant(item.get("created_at")) or UNSAID,
            last_activity_at=_active_at(item, stats, updated_at),
            closed_at=_closed_at(stats) if status is TicketStatus.CLOSED else UNSAID,
            channel=CHANNELS.get(number(item.get("source")) or 0, "other"),
            tags=tags(item.get("tags")),
        ),
        organisation=organisation,
        standing=standing,
    )


def company_fact(company: Mapping[str, Any], *, ref: str, contract_field: str) -> OrganisationFact:
    """A company, with its contract's end from ``renewal_date`` or a field of the account's own."""
    return OrganisationFact(
        ref=ref, name=line(company.get("name"), MAX_NAME), contract_ends_on=contract_end(company, contract_field)
    )


def contract_end(company: Mapping[str, Any], contract_field: str) -> date | Unsaid | None:
    """The contract's last day. None: the field is empty, the contract runs on. UNSAID, and what is known stays: there
    is no such field, or what stands in it is no day."""
    fields = {**inner(company.get("custom_fields")), **company}
    if contract_field not in fields:
        return UNSAID
    value = fields[contract_field]
    if value is None or value == "":
        return None
    found = day(value)
    if found is None:
        log.warning("contract's end is no day", extra={"company": company.get("id")})
        return UNSAID
    return found


def source_files(
    ticket_id: str, ticket: Mapping[str, Any], conversations: Iterable[Mapping[str, Any]]
) -> list[SourceFile]:
    """The files of a ticket and of everything said in it."""
    found = _files(ticket, ticket_id, None)
    for said in conversations:
        part = number(said.get("id"))
        found += [] if part is None else _files(said, ticket_id, str(part))
    return found


def _files(where: Mapping[str, Any], ticket_id: str, part: str | None) -> list[SourceFile]:
    numbered = [(number(one.get("id")), one) for one in entries(where.get("attachments"))]
    return [
        SourceFile(
            id=str(which),
            ticket_id=ticket_id,
            # Half of a pair of surrogates is a character of JSON and of nothing else.
            name=str(one.get("name") or "").encode(errors="replace").decode(),
            media_type=line(one.get("content_type"), MAX_NAME),
            size=_size(one),
            address=str(one.get("attachment_url") or ""),
            part=part,
            created_at=instant(one.get("created_at")),
        )
        for which, one in numbered
        if which is not None
    ]


def _size(file: Mapping[str, Any]) -> int | None:
    return number(file.get("size", file.get("file_size")))


def _standing(item: Mapping[str, Any]) -> Standing:
    if item.get("deleted"):
        return Standing.TRASHED
    return Standing.SPAM if item.get("spam") else Standing.PRESENT


def _active_at(item: Mapping[str, Any], stats: Mapping[str, Any], updated_at: datetime) -> datetime:
    """When somebody last wrote to the other side, or its status changed. Our own notes, and the removal of files,
    change ``updated_at``: an evacuation must not make a ticket young again."""
    if not any(name in stats for name in _EXCHANGED):
        return updated_at
    told = [instant(value) for value in stats.values()]
    return max([at for at in (instant(item.get("created_at")), *told) if at is not None], default=updated_at)


def _closed_at(stats: Mapping[str, Any]) -> datetime | Unsaid:
    return instant(stats.get("closed_at")) or instant(stats.get("resolved_at")) or UNSAID


def labelled_statuses(fields: Sequence[Mapping[str, Any]]) -> dict[int, tuple[str, ...]]:
    """An account's statuses and what its agents call them, from ``ticket_fields`` (two shapes of ``choices``)."""
    found: dict[int, tuple[str, ...]] = {}
    for one in fields:
        if one.get("name") != "status":
            continue
        choices = one.get("choices") or {}
        if isinstance(choices, Mapping):
            for name, labels in choices.items():
                which, words = number(name), _words(labels)
                if which is not None and words:
                    found[which] = words
        else:
            for entry in entries(choices):
                which = number(entry.get("id", entry.get("value")))
                words = _words(entry.get("label") or entry.get("value"))
                if which is not None and words:
                    found[which] = words
    return found


def _words(labels: object) -> tuple[str, ...]:
    found = [line(one, MAX_NAME) for one in (labels if isinstance(labels, list) else [labels])]
    return tuple(word for word in found if word)


def own_statuses(
    wanted: Mapping[str, TicketStatus], labels: Mapping[int, tuple[str, ...]]
) -> tuple[dict[int, TicketStatus], Collection[str]]:
    """A site's mapping, by number or by an agent's word for it in any case; and what of it names no status."""
    found, unknown = dict(STATUSES), []
    words = {word.casefold(): which for which, all_words in labels.items() for word in all_words[:1]}
    for name, status in wanted.items():
        which = number(name) if name.isdigit() else words.get(name.casefold())
        if which is None:
            unknown.append(name)
        else:
            found[which] = status
    return found, unknown
