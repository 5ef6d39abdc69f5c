"""All that is held of a person, as an export tells it: no token, no secret, and of others no more than their roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime
from typing import Any

from domain.clock import rfc3339


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere the data is kept, or somebody it goes to: configured, or of a connector. ``kind``: ``database``,
    ``files``, ``keys``, ``mail``, ``scanner``, ``audit`` or ``connector``. ``in_eea`` None: it cannot be told."""

    kind: str
    engine: str
    where: str | None
    region: str | None = None
    in_eea: bool | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A download: when, and by what kind of actor (``requester``: whoever held a download link)."""

    at: datetime
    by: str


@dataclass(slots=True)
class HeldFile:
    """A file. ``path``: where it lies in the export; ``left_out``: why it does not."""

    id: str
    name: str | None
    size: int | None
    media_type: str | None
    sha256: str | None
    state: str
    scan: str
    source: str
    received_at: datetime
    downloads: list[Taken]
    purged_at: datetime | None
    purge_reason: str | None
    certificate: str | None
    path: str | None = None
    left_out: str | None = None


@dataclass(frozen=True, slots=True)
class HeldLink:
    """A link: one of the person's tickets, or one that names the person. ``named``: whether it does; who else a link
    names is not the person's business."""

    id: str
    kind: str
    ticket: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    downloads: int
    named: bool
    note: str | None = None


@dataclass(frozen=True, slots=True)
class HeldReceipt:
    """A receipt: that something was sent."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """A legal hold in force: that there is one. Why is between whoever placed it and their lawyers."""

    on: str
    since: datetime
    review_on: date | None


@dataclass(slots=True)
class HeldTicket:
    """A ticket of the person's, with how long it is kept, and by which rule. ``erased_on`` None: no date yet.
    ``kept_by``: what would forbid erasing it now, ``hold`` or ``contract``."""

    ref: str
    status: str
    subject: str | None
    requester_email: str | None
    requester_name: str | None
    organisation: str | None
    channel: str | None
    connector: str | None
    tags: Sequence[str]
    opened_at: datetime | None
    last_activity_at: datetime
    closed_at: datetime | None
    known_since: datetime
    retention_class: str
    rule: str
    erased_on: datetime | None
    kept_by: str | None
    holds: list[Held]
    files: list[HeldFile]
    links: list[HeldLink]
    receipts: list[HeldReceipt]
    uploads: int


@dataclass(frozen=True, slots=True)
class HeldMail:
    """A mail that waits to be sent. Its text may hold a code, which opens something, so it is not told."""

    subject: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class HeldAccess:
    """That the person may come in, or might once: a principal whose name has the address in it."""

    id: str
    name: str
    role: str
    since: datetime
    ended_at: datetime | None


@dataclass(slots=True)
class Dossier:
    """``request``: our id of this export, which the audit log has too. ``links``: those on others' tickets."""

    request: str
    at: datetime
    address: str
    tickets: list[HeldTicket] = field(default_factory=list)
    links: list[HeldLink] = field(default_factory=list)
    mails: list[HeldMail] = field(default_factory=list)
    access: list[HeldAccess] = field(default_factory=list)
    places: Sequence[Place] = ()

    @property
    def files(self) -> list[HeldFile]:
        """All files, those that are left out too."""
        return [file for ticket in self.tickets for file in ticket.files]

    @property
    def empty(self) -> bool:
        """Whether nothing is held of the person."""
        return not (self.tickets or self.links or self.mails or self.access)


def plain(value: object) -> Any:
    """A dossier, or a part of one, as JSON has it: instants as RFC 3339, days as ISO 8601."""
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
