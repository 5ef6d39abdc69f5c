"""Tables of who may come in. A credential is kept under the SHA-256 of its token, and dies by deletion (S-63)."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table

from domain.actor import Role
from storage.records.ports.access import CredentialKind
from storage.records.schema.metadata import METADATA
from storage.records.schema.types import Id, Instant, Word

principals = Table(
    "principals",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("role", Word(Role), nullable=False),
    Column("organisation_id", Id, ForeignKey("organisations.id")),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    CheckConstraint("role <> 'contact' OR organisation_id IS NOT NULL", name="contact"),
)

credentials = Table(
    "credentials",
    METADATA,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("kind", Word(CredentialKind), nullable=False),
    Column("principal_id", Id, ForeignKey("principals.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("idle_at", Instant),
    CheckConstraint("length(digest) = 32", name="digest"),
)
Index(None, credentials.c.principal_id)
Index(None, credentials.c.expires_at)
Index(None, credentials.c.idle_at)
