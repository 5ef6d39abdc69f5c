"""PostgreSQL's marks of commits: ``storage.records.outcome`` says what they are for. SQLite has none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.create_table(
            "commits",
            sa.Column("writer", sa.String(36), nullable=False),
            sa.Column("number", sa.BigInteger(), nullable=False),
            sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
            sa.PrimaryKeyConstraint("writer", name=op.f("pk_commits")),
        )


def downgrade() -> None:
    """Migrations go forward only; the way back is the backup."""
    raise RuntimeError("migrations go forward only")
