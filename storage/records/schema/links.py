"""Tables of links, and of what redeeming them gives. A token is nowhere: only its SHA-256 is (S-50)."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from domain.link import LinkKind
from storage.records.schema.core import partial
from storage.records.schema.metadata import METADATA
from storage.records.schema.types import Id, Instant, Word, Words

links = Table(
    "links",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("kind", Word(LinkKind), nullable=False),
    Column("ticket_id", Id, ForeignKey("tickets.id"), nullable=False),
    Column("attachment_id", Id, ForeignKey("attachments.id")),
    Column("expires_at", Instant, nullable=False),
    Column("max_files", Integer),
    Column("max_bytes", BigInteger),
    Column("max_downloads", Integer),
    Column("allowed_types", Words, nullable=False),
    Column("passcode_hash", String(255)),
    Column("recipient_sealed", LargeBinary),
    Column("note_sealed", LargeBinary),
    Column("language", String(35)),
    Column("created_at", Instant, nullable=False),
    # No foreign key: who made a link is a mark for people, and outlives every principal.
    Column("created_by", Id),
    Column("revoked_at", Instant),
    Column("used", Integer, nullable=False),
    # By what a person finds the links that name them; null also where an older release made the link (subjects/).
    Column("recipient_digest", LargeBinary(32)),
    CheckConstraint("length(digest) = 32", name="digest"),
    CheckConstraint("used >= 0 AND (max_downloads IS NULL OR used <= max_downloads)", name="used"),
    CheckConstraint("(kind = 'download') = (attachment_id IS NOT NULL)", name="kind"),
)
Index(None, links.c.ticket_id, links.c.id)
Index(None, links.c.attachment_id)
partial("ix_links_recipient", links.c.recipient_digest, links.c.id, where="recipient_digest IS NOT NULL")
partial("ix_links_unindexed", links.c.id, where="recipient_sealed IS NOT NULL AND recipient_digest IS NULL")

grants = Table(
    "grants",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("link_id", Id, ForeignKey("links.id"), nullable=False),
    Column("attachment_id", Id, ForeignKey("attachments.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    # Ended before its time: kept beside expires_at, so that a clock set back cannot bring it back (S-76).
    Column("ended_at", Instant),
    Column("budget", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    CheckConstraint("length(digest) = 32", name="digest"),
    CheckConstraint("spent BETWEEN 0 AND budget", name="spent"),
)
Index(None, grants.c.link_id)
Index(None, grants.c.attachment_id)
Index(None, grants.c.expires_at)

receipts = Table(
    "receipts",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("ticket_id", Id, ForeignKey("tickets.id"), nullable=False),
    Column("link_id", Id, ForeignKey("links.id")),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("length(digest) = 32", name="digest"),
)
Index(None, receipts.c.ticket_id)

codes = Table(
    "codes",
    METADATA,
    Column("link_id", Id, ForeignKey("links.id"), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("sent_at", Instant, nullable=False),
    CheckConstraint("length(digest) = 32", name="digest"),
    CheckConstraint("tries >= 0", name="tries"),
)

passcode_failures = Table(
    "passcode_failures",
    METADATA,
    # SQLite numbers rows by itself only under its own INTEGER.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("link_id", Id, ForeignKey("links.id"), nullable=False),
    Column("address_digest", LargeBinary(32), nullable=False),
    Column("at", Instant, nullable=False),
)
Index(None, passcode_failures.c.link_id, passcode_failures.c.at)
Index(None, passcode_failures.c.address_digest, passcode_failures.c.at)
Index(None, passcode_failures.c.at)
