"""Which node has begun what: uploads under way, requests under an idempotency key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("attachments", "answers"):
        op.add_column(table, sa.Column("node", sa.String(36)))
    running = sa.text("sealed IS NULL")
    op.create_index("ix_answers_running", "answers", ["node"], sqlite_where=running, postgresql_where=running)


def downgrade() -> None:
    """Migrations go forward only; the way back is the backup."""
    raise RuntimeError("migrations go forward only")
