"""What was said about a ticket or an organisation, with "not said" kept apart from "none" (null)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Final, TypeVar

from domain.ticket import TicketStatus

T = TypeVar("T")


class Unsaid(Enum):
    """The type of ``UNSAID``."""

    UNSAID = "unsaid"

    def __repr__(self) -> str:
        return "UNSAID"


UNSAID: Final = Unsaid.UNSAID
"""A field that was left out: what is known stays. ``None`` clears it."""


@dataclass(frozen=True, slots=True)
class TicketFact:
    """What a ``PUT`` says about a ticket. ``requester_email``, ``organisation`` (its outside name) None: there is none.

    A requester is one fact: another address without a name clears the name. ``last_activity_at`` cannot be cleared;
    None is as if it were not said, and so is ``closed_at`` None of a closed ticket. ``connector``: the name of the
    ticket system that speaks for it; a PUT leaves it unsaid.
    """

    ref: str
    status: TicketStatus | Unsaid = UNSAID
    subject: str | Unsaid | None = UNSAID
    requester_email: str | Unsaid | None = UNSAID
    requester_name: str | Unsaid | None = UNSAID
    organisation: str | Unsaid | None = UNSAID
    opened_at: datetime | Unsaid | None = UNSAID
    last_activity_at: datetime | Unsaid | None = UNSAID
    closed_at: datetime | Unsaid | None = UNSAID
    channel: str | Unsaid | None = UNSAID
    tags: Sequence[str] | Unsaid | None = UNSAID
    connector: str | Unsaid | None = UNSAID


@dataclass(frozen=True, slots=True)
class OrganisationFact:
    """What a ``PUT`` says about an organisation. ``contract_ends_on``: the contract's last day; None: it runs on."""

    ref: str
    name: str | Unsaid | None = UNSAID
    contract_ends_on: date | Unsaid | None = UNSAID


def said(value: T | Unsaid, known: T) -> T:
    """The value, or what was known where it was not said."""
    return known if isinstance(value, Unsaid) else value
