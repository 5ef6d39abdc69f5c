"""Tables of uploads that come in pieces, and of the pieces (S-18)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
)

from domain.upload import UploadKind, UploadState
from storage.records.schema.core import partial
from storage.records.schema.metadata import METADATA
from storage.records.schema.types import Flag, Id, Instant, Word

uploads = Table(
    "uploads",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    # No foreign key: a claim that came to nothing is deleted, and its upload still says so for a day.
    Column("attachment_id", Id, nullable=False, unique=True),
    Column("ticket_id", Id, ForeignKey("tickets.id"), nullable=False),
    Column("link_id", Id, ForeignKey("links.id"), nullable=False),
    Column("receipt_id", Id),
    Column("kind", Word(UploadKind), nullable=False),
    Column("state", Word(UploadState), nullable=False),
    Column("length", BigInteger),
    Column("offset", BigInteger, nullable=False),
    Column("metadata_sealed", LargeBinary),
    Column("repr_algorithm", String(16)),
    Column("repr_digest", LargeBinary),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("holder", Id),
    Column("wanted", Flag, nullable=False),
    Column("writing", String(64)),
    Column("failure", String(32)),
    CheckConstraint("length(digest) = 32", name="digest"),
    CheckConstraint('"offset" >= 0 AND (length IS NULL OR "offset" <= length)', name="offset"),
)
Index("ix_uploads_state_id", uploads.c.state, uploads.c.id)
Index(None, uploads.c.link_id)
Index(None, uploads.c.expires_at)
partial("ix_uploads_receipt", uploads.c.receipt_id, uploads.c.id, where="receipt_id IS NOT NULL")
partial("ix_uploads_holder", uploads.c.holder, where="holder IS NOT NULL")
partial("ix_uploads_writing", uploads.c.writing, where="writing IS NOT NULL")

upload_parts = Table(
    "upload_parts",
    METADATA,
    Column("upload_id", Id, ForeignKey("uploads.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    # Not unique: a concatenation may name the same piece twice.
    Column("blob_id", String(64), nullable=False),
    Column("owner_id", Id, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sealed_size", BigInteger, nullable=False),
    Column("sealed_sha256", LargeBinary, nullable=False),
    Column("commitment", LargeBinary, nullable=False),
    CheckConstraint("start >= 0 AND size >= 0", name="size"),
)
Index(None, upload_parts.c.blob_id)
Index(None, upload_parts.c.owner_id)
