"""Tables of organisations, tickets, attachments, what they take up, holds and certificates.

Ids of rows that come later (receipts, certificates) or that live in other files of this folder (links) are plain
columns: the order of writing inside a transaction is the caller's, and fsck compares.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from domain.attachment import AttachmentState, Scan, Source
from domain.ticket import Standing, TicketStatus
from storage.records.schema.metadata import METADATA
from storage.records.schema.types import Day, Id, Instant, Word, Words


def partial(name: str, *columns: ColumnElement[Any], where: str, unique: bool = False) -> Index:
    """An index over the rows that match ``where`` (SQL both dialects speak)."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


organisations = Table(
    "organisations",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("ref", Text, nullable=False, unique=True),
    Column("name", Text),
    Column("contract_ends_on", Day),
    Column("facts_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
)

tickets = Table(
    "tickets",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("ref", Text, nullable=False, unique=True),
    Column("organisation_id", Id, ForeignKey("organisations.id")),
    Column("status", Word(TicketStatus), nullable=False),
    Column("subject_sealed", LargeBinary),
    Column("requester_email_sealed", LargeBinary),
    Column("requester_email_digest", LargeBinary),
    Column("requester_name_sealed", LargeBinary),
    Column("opened_at", Instant),
    Column("last_activity_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("channel", Text),
    Column("facts_at", Instant, nullable=False),
    Column("retention_class", Text, nullable=False),
    Column("retention_rule", Text, nullable=False),
    Column("purge_due_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("erased_at", Instant),
    Column("version", Integer, nullable=False),
    Column("connector", String(40)),
    Column("source_id", Text),
    Column("source_version", BigInteger),
    Column("tags", Words, nullable=False, server_default="[]"),
    Column("standing", Word(Standing), nullable=False, server_default=Standing.PRESENT.value),
    Column("standing_since", Instant),
    Column("merged_source_id", Text),
    Column("merged_into", Id),
)
# An organisation's tickets in pages; also what limits a contact's queries.
Index("ix_tickets_organisation_id_id", tickets.c.organisation_id, tickets.c.id)
Index("ix_tickets_requester_email_digest_id", tickets.c.requester_email_digest, tickets.c.id)
# What is due, in its order. Erased tickets have nothing but tombstones (sql/tickets.py and sql/attachments.py see to
# that), and they only get more: without the condition every run would walk over all of them first.
partial("ix_tickets_due", tickets.c.purge_due_at, tickets.c.id, where="erased_at IS NULL")
# A ticket by its id in its own system, those merged into one, and those nobody asked about for longest.
partial(
    "uq_tickets_connector_source_id",
    tickets.c.connector,
    tickets.c.source_id,
    where="source_id IS NOT NULL",
    unique=True,
)
partial(
    "ix_tickets_merged_source",
    tickets.c.connector,
    tickets.c.merged_source_id,
    tickets.c.id,
    where="merged_source_id IS NOT NULL",
)
partial("ix_tickets_merged_into", tickets.c.merged_into, tickets.c.id, where="merged_into IS NOT NULL")
partial(
    "ix_tickets_connector_facts_at",
    tickets.c.connector,
    tickets.c.facts_at,
    tickets.c.id,
    where="source_id IS NOT NULL AND erased_at IS NULL",
)

attachments = Table(
    "attachments",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("ticket_id", Id, ForeignKey("tickets.id"), nullable=False),
    Column("link_id", Id),
    Column("receipt_id", Id),
    Column("blob_id", String(64), nullable=False, unique=True),
    Column("name_sealed", LargeBinary),
    Column("declared_size", BigInteger),
    Column("reserved_bytes", BigInteger, nullable=False),
    Column("size", BigInteger),
    Column("sealed_size", BigInteger),
    Column("sha256", LargeBinary),
    Column("sealed_sha256", LargeBinary),
    Column("commitment", LargeBinary),
    Column("segment_size", Integer, nullable=False),
    Column("stream_format", Integer, nullable=False),
    Column("media_type", Text),
    Column("state", Word(AttachmentState), nullable=False),
    Column("scan", Word(Scan), nullable=False),
    Column("scanned_by", Text),
    Column("source", Word(Source), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("available_at", Instant),
    Column("download_count", Integer, nullable=False),
    Column("purge_reason", Text),
    Column("purged_at", Instant),
    Column("certificate_id", Id),
    Column("version", Integer, nullable=False),
    Column("node", Id),
)
# A ticket's attachments in order. With the state in it, what is due is answered from the index alone.
Index("ix_attachments_ticket_id_id_state", attachments.c.ticket_id, attachments.c.id, attachments.c.state)
# Work that waits in a state, and how many attachments are live.
Index("ix_attachments_state_id", attachments.c.state, attachments.c.id)
partial("ix_attachments_receipt", attachments.c.receipt_id, attachments.c.id, where="receipt_id IS NOT NULL")

quotas = Table(
    "quotas",
    METADATA,
    Column("owner_id", Id, primary_key=True),
    Column("max_files", BigInteger),
    Column("max_bytes", BigInteger),
    Column("used_files", BigInteger, nullable=False),
    Column("used_bytes", BigInteger, nullable=False),
    Column("reserved_files", BigInteger, nullable=False),
    Column("reserved_bytes", BigInteger, nullable=False),
    # The second lock on the door: the statements in sql/quotas.py do not get here (S-41).
    CheckConstraint(
        "used_files >= 0 AND used_bytes >= 0 AND reserved_files >= 0 AND reserved_bytes >= 0", name="never_negative"
    ),
)

holds = Table(
    "holds",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("ticket_id", Id, ForeignKey("tickets.id")),
    Column("organisation_id", Id, ForeignKey("organisations.id")),
    Column("reason_sealed", LargeBinary, nullable=False),
    Column("review_on", Day),
    Column("placed_by", Id),
    Column("placed_at", Instant, nullable=False),
    Column("released_at", Instant),
    Column("released_by", Id),
    Column("release_reason_sealed", LargeBinary),
    CheckConstraint("(ticket_id IS NULL) <> (organisation_id IS NULL)", name="one_owner"),
)
# One hold in force on each, and the answer to "is it held" from the index alone.
partial("uq_holds_ticket_in_force", holds.c.ticket_id, where="released_at IS NULL", unique=True)
partial("uq_holds_organisation_in_force", holds.c.organisation_id, where="released_at IS NULL", unique=True)
# Those that somebody has to look at again.
partial("ix_holds_review", holds.c.review_on, holds.c.id, where="released_at IS NULL")

certificates = Table(
    "certificates",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("attachment_id", Id, ForeignKey("attachments.id"), nullable=False, unique=True),
    Column("document", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("issued_at", Instant, nullable=False),
)
