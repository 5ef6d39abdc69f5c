"""Facts for the audit log: ids, counts and codes, never a name, an address, a token or a free text (S-91)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.actor import Actor


class EventKind(StrEnum):
    """Every act that the audit log knows."""

    UPLOAD_STARTED = "upload.started"
    UPLOAD_FINISHED = "upload.finished"
    UPLOAD_REFUSED = "upload.refused"
    SCAN_FINISHED = "scan.finished"
    LINK_MADE = "link.made"
    LINK_REVOKED = "link.revoked"
    LINK_REDEEMED = "link.redeemed"
    LINK_REFUSED = "link.refused"
    CODE_SENT = "link.code-sent"
    DOWNLOAD_STARTED = "download.started"
    DOWNLOAD_ENDED = "download.ended"
    TICKET_PUT = "ticket.put"
    TICKET_ERASED = "ticket.erased"
    ORGANISATION_PUT = "organisation.put"
    HOLD_PLACED = "hold.placed"
    HOLD_RELEASED = "hold.released"
    POLICY_PROPOSED = "policy.proposed"
    POLICY_CONFIRMED = "policy.confirmed"
    POLICY_FOLLOWED = "policy.followed"
    PURGE_STARTED = "purge.started"
    PURGE_FINISHED = "purge.finished"
    PURGE_FAILED = "purge.failed"
    PURGE_BRAKED = "purge.braked"
    KEY_ROTATED = "key.rotated"
    KEY_REWRAPPED = "key.rewrapped"
    KEY_DESTROYED = "key.destroyed"
    KEY_EXPORTED = "key.exported"
    CREDENTIAL_MADE = "credential.made"
    CREDENTIAL_REVOKED = "credential.revoked"
    SIGNED_IN = "session.begun"
    SIGNED_OUT = "session.ended"
    ACCESS_REFUSED = "access.refused"
    INTEGRITY_FAILED = "integrity.failed"
    SERVICE_STARTED = "service.started"
    SERVICE_STOPPED = "service.stopped"
    FSCK_REPAIRED = "fsck.repaired"
    SITE_RESTORED = "site.restored"
    SITE_MOVED = "site.moved"
    FILE_EVACUATED = "file.evacuated"
    FILE_LEFT = "file.left"
    MAIL_RELAYED = "mail.relayed"
    SUBJECT_EXPORTED = "subject.exported"
    SUBJECT_ERASED = "subject.erased"


Scalar = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. ``subject`` is our id of what it is about; ``facts`` are ids, counts, codes and RFC 3339 instants."""

    kind: EventKind
    actor: Actor
    subject: str | None = None
    facts: Mapping[str, Scalar] = field(default_factory=dict)
