"""A link is found by whom it names: by a digest of the address, filled in by whoever opens the keys (subjects/)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("links", sa.Column("recipient_digest", sa.LargeBinary(32)))
    for name, columns, where in (
        ("recipient", ["recipient_digest", "id"], "recipient_digest IS NOT NULL"),
        ("unindexed", ["id"], "recipient_sealed IS NOT NULL AND recipient_digest IS NULL"),
    ):
        there = sa.text(where)
        op.create_index(f"ix_links_{name}", "links", columns, sqlite_where=there, postgresql_where=there)


def downgrade() -> None:
    """Migrations go forward only; the way back is the backup."""
    raise RuntimeError("migrations go forward only")
