"""Mails that came in, so that one that comes again brings nothing twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_deliveries",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("ticket_id", sa.String(36), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attachment_id", sa.String(36)),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.Column("relayed_at", sa.BigInteger()),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_mail_deliveries_digest")),
        sa.CheckConstraint("(part = 0) = (attachment_id IS NULL)", name=op.f("ck_mail_deliveries_part")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_mail_deliveries_ticket_id")),
        sa.PrimaryKeyConstraint("digest", "ticket_id", "part", name=op.f("pk_mail_deliveries")),
    )
    op.create_index("ix_mail_deliveries_ticket_id", "mail_deliveries", ["ticket_id"])
    op.create_index("ix_mail_deliveries_kept_at", "mail_deliveries", ["kept_at"])


def downgrade() -> None:
    """Migrations go forward only; the way back is the backup."""
    raise RuntimeError("migrations go forward only")
