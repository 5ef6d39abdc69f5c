"""How attachments end: holds that forbid it, what is due, and what is left afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from domain.ids import AttachmentId, CertificateId, HoldId, OrganisationId, PolicyId, PrincipalId, TicketId
from domain.ticket import Organisation, Ticket


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold on one ticket, or on all of an organisation's. ``reason_sealed``: under that one's own key.

    ``review_on``: when somebody must look at it again; a day that has passed alarms, and ends nothing.
    """

    id: HoldId
    ticket_id: TicketId | None
    organisation_id: OrganisationId | None
    reason_sealed: bytes
    review_on: date | None
    placed_by: PrincipalId | None
    placed_at: datetime
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class DueItem:
    """An attachment whose ticket's time is up, whether or not a hold still keeps it."""

    attachment_id: AttachmentId
    ticket_id: TicketId
    due_at: datetime
    retention_class: str
    rule: str
    held: bool


@dataclass(frozen=True, slots=True)
class Certificate:
    """Signed proof of a purge: ``document`` is canonical JSON (RFC 8785), ``signature`` Ed25519 over it."""

    id: CertificateId
    attachment_id: AttachmentId
    document: bytes
    signature: bytes
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Destiny:
    """What the retention policy makes of a ticket: its class, the rule in words, and when its files go.

    ``due_at`` None: kept while the contract runs. ``facts``: what the date was computed from, by name, for ``why``;
    with the rule that won, its ground and the decision it rests on, and the rules that lost.
    """

    retention_class: str
    rule: str
    due_at: datetime | None
    facts: Mapping[str, str | None]


Decide = Callable[[Ticket, Organisation | None], Destiny]
"""The policy as floor 3's other rooms see it: pure, handed out by ``server.py`` (``retention.Policy.decide``)."""


class PolicyState(StrEnum):
    """The life of a retention policy: proposed, in force, and then no more."""

    PROPOSED = "proposed"
    EFFECTIVE = "effective"
    PAST = "past"
    DROPPED = "dropped"
    """Proposed, and overtaken by another."""


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """A retention policy's row. ``document``: what ``Policy.from_mapping`` reads, as JSON; ``fingerprint``: a line that
    changes where a due date could.

    ``proposed_by`` and ``confirmed_by`` are two people wherever it brought any date nearer; None: nobody had to.
    """

    id: PolicyId
    document: str
    fingerprint: str
    state: PolicyState
    proposed_by: PrincipalId | None
    proposed_at: datetime
    confirmed_by: PrincipalId | None
    confirmed_at: datetime | None
