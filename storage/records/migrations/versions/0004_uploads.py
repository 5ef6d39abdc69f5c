"""Uploads that come in pieces, and the pieces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("attachment_id", sa.String(36), nullable=False),
        sa.Column("ticket_id", sa.String(36), nullable=False),
        sa.Column("link_id", sa.String(36), nullable=False),
        sa.Column("receipt_id", sa.String(36)),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("length", sa.BigInteger()),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("metadata_sealed", sa.LargeBinary()),
        sa.Column("repr_algorithm", sa.String(16)),
        sa.Column("repr_digest", sa.LargeBinary()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(36)),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("writing", sa.String(64)),
        sa.Column("failure", sa.String(32)),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_uploads_digest")),
        sa.CheckConstraint('"offset" >= 0 AND (length IS NULL OR "offset" <= length)', name=op.f("ck_uploads_offset")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_uploads_ticket_id")),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_uploads_link_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sa.UniqueConstraint("digest", name=op.f("uq_uploads_digest")),
        sa.UniqueConstraint("attachment_id", name=op.f("uq_uploads_attachment_id")),
    )
    op.create_index("ix_uploads_state_id", "uploads", ["state", "id"])
    op.create_index("ix_uploads_link_id", "uploads", ["link_id"])
    op.create_index("ix_uploads_expires_at", "uploads", ["expires_at"])
    for name, columns in (
        ("receipt", ["receipt_id", "id"]),
        ("holder", ["holder"]),
        ("writing", ["writing"]),
    ):
        there = sa.text(f"{columns[0]} IS NOT NULL")
        op.create_index(f"ix_uploads_{name}", "uploads", columns, sqlite_where=there, postgresql_where=there)
    op.create_table(
        "upload_parts",
        sa.Column("upload_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("blob_id", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(36), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sealed_size", sa.BigInteger(), nullable=False),
        sa.Column("sealed_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("start >= 0 AND size >= 0", name=op.f("ck_upload_parts_size")),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"], name=op.f("fk_upload_parts_upload_id")),
        sa.PrimaryKeyConstraint("upload_id", "number", name=op.f("pk_upload_parts")),
    )
    op.create_index("ix_upload_parts_blob_id", "upload_parts", ["blob_id"])
    op.create_index("ix_upload_parts_owner_id", "upload_parts", ["owner_id"])


def downgrade() -> None:
    """Migrations go forward only; the way back is the backup."""
    raise RuntimeError("migrations go forward only")
