"""Rows that tests of the stores begin with. Ids are made of numbers, so that their order is plain to see."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

from domain.attachment import Attachment, AttachmentState, Scan, Source
from domain.ids import AttachmentId, BlobId, GrantId, LinkId, OrganisationId, ReceiptId, TicketId
from domain.link import Grant, Link, LinkKind, Terms
from domain.ticket import Organisation, Ticket, TicketStatus

T0 = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def number(n: int) -> str:
    """An id in the form of ours."""
    return f"00000000-0000-7000-8000-{n:012d}"


def digest(text: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(text.encode()).digest()


def an_organisation(n: int = 1) -> Organisation:
    return Organisation(
        id=OrganisationId(number(n)), ref=f"org-{n}", name=None, contract_ends_on=None, facts_at=T0, created_at=T0
    )


def a_ticket(n: int = 1, organisation: int | None = None) -> Ticket:
    return Ticket(
        id=TicketId(number(n)),
        ref=f"ticket-{n}",
        organisation_id=None if organisation is None else OrganisationId(number(organisation)),
        status=TicketStatus.OPEN,
        subject_sealed=None,
        requester_email_sealed=None,
        requester_email_digest=None,
        requester_name_sealed=None,
        opened_at=None,
        last_activity_at=T0,
        closed_at=None,
        channel=None,
        facts_at=T0,
        retention_class="default",
        retention_rule="P1Y",
        purge_due_at=None,
        created_at=T0,
        erased_at=None,
        version=1,
    )


def an_attachment(n: int = 1, ticket: int = 1) -> Attachment:
    return Attachment(
        id=AttachmentId(number(n)),
        ticket_id=TicketId(number(ticket)),
        link_id=None,
        receipt_id=None,
        blob_id=BlobId(f"{n:032x}"),
        name_sealed=b"name",
        declared_size=10,
        reserved_bytes=10,
        size=None,
        sealed_size=None,
        sha256=None,
        sealed_sha256=None,
        commitment=None,
        segment_size=1 << 20,
        stream_format=1,
        media_type=None,
        state=AttachmentState.RECEIVING,
        scan=Scan.NONE,
        scanned_by=None,
        source=Source.REQUESTER,
        created_at=T0,
        available_at=None,
        download_count=0,
        purge_reason=None,
        purged_at=None,
        certificate_id=None,
        version=1,
    )


def an_upload_link(n: int = 1, ticket: int = 1) -> Link:
    return Link(
        id=LinkId(number(n)),
        kind=LinkKind.UPLOAD,
        ticket_id=TicketId(number(ticket)),
        attachment_id=None,
        terms=Terms(expires_at=T0 + HOUR, max_files=3, max_bytes=1 << 40, allowed_types=("image/*", ".pdf", ".å")),
        passcode_hash="$argon2id$…",
        recipient_sealed=None,
        note_sealed=b"note",
        language="sv",
        created_at=T0,
        created_by=None,
        revoked_at=None,
        used=0,
    )


def a_download_link(n: int = 2, ticket: int = 1, attachment: int = 1, max_downloads: int | None = 3) -> Link:
    return Link(
        id=LinkId(number(n)),
        kind=LinkKind.DOWNLOAD,
        ticket_id=TicketId(number(ticket)),
        attachment_id=AttachmentId(number(attachment)),
        terms=Terms(expires_at=T0 + HOUR, max_downloads=max_downloads),
        passcode_hash=None,
        recipient_sealed=b"recipient",
        note_sealed=None,
        language=None,
        created_at=T0,
        created_by=None,
        revoked_at=None,
        used=0,
    )


def a_grant(n: int = 1, link: int = 2, attachment: int = 1, budget: int = 100) -> Grant:
    return Grant(
        id=GrantId(number(n)),
        link_id=LinkId(number(link)),
        attachment_id=AttachmentId(number(attachment)),
        created_at=T0,
        expires_at=T0 + HOUR,
        budget=budget,
        spent=0,
    )


def a_receipt_id(n: int = 1) -> ReceiptId:
    return ReceiptId(number(n))


def at_once(tries: int, one) -> list:
    """What ``one(i)`` gave in each of as many threads, all set off together."""
    gate = Barrier(tries)

    def run(i: int):
        gate.wait()
        return one(i)

    with ThreadPoolExecutor(tries) as threads:
        return list(threads.map(run, range(tries)))
