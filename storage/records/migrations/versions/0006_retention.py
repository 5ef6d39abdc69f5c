"""The retention policy that is in force, and every hold's day of review."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FINGERPRINT = re.compile(r"customer=(\S+) after (\w+); other=(\S+) after (\w+); zone=(\S+)")
_AFTER = {"contract_ends_on": "contract", "last_activity_at": "last-activity", "closed_at": "closed"}
_YEAR = timedelta(days=365)


def upgrade() -> None:
    op.create_table(
        "retention_policies",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("proposed_by", sa.String(36)),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_by", sa.String(36)),
        sa.Column("confirmed_at", sa.BigInteger()),
        sa.CheckConstraint(
            "confirmed_by IS NULL OR confirmed_by <> proposed_by", name=op.f("ck_retention_policies_two_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_policies")),
    )
    one = sa.text("state IN ('effective', 'proposed')")
    op.create_index(
        "uq_retention_policies_one",
        "retention_policies",
        ["state"],
        unique=True,
        sqlite_where=one,
        postgresql_where=one,
    )
    in_force = sa.text("released_at IS NULL")
    op.create_index("ix_holds_review", "holds", ["review_on", "id"], sqlite_where=in_force, postgresql_where=in_force)
    op.add_column("outbox", sa.Column("ticket_id", sa.String(36)))
    known = sa.text("ticket_id IS NOT NULL")
    op.create_index("ix_outbox_ticket_id", "outbox", ["ticket_id"], sqlite_where=known, postgresql_where=known)
    if not op.get_context().as_sql:
        _keep_the_policy()
        _give_holds_a_review()


def _keep_the_policy() -> None:
    """The policy that the dates were computed by stays in force, also where the configuration has another by now."""
    connection = op.get_bind()
    said = connection.execute(sa.text("SELECT value FROM site WHERE name = 'retention.policy'")).scalar_one_or_none()
    match = _FINGERPRINT.fullmatch(said or "")
    if said is None or match is None:
        return
    customers, customers_after, others, others_after, zone = match.groups()
    document = {
        "time_zone": zone,
        "customers": {"period": customers, "after": _AFTER[customers_after]},
        "others": {"period": others, "after": _AFTER[others_after]},
    }
    connection.execute(
        sa.text(
            "INSERT INTO retention_policies (id, document, fingerprint, state, proposed_at)"
            " VALUES (:id, :document, :fingerprint, 'effective', 0)"
        ),
        {"id": str(uuid.UUID(int=0)), "document": json.dumps(document, sort_keys=True), "fingerprint": said},
    )


def _give_holds_a_review() -> None:
    connection = op.get_bind()
    found = connection.execute(sa.text("SELECT id, placed_at FROM holds WHERE review_on IS NULL")).all()
    for hold_id, placed_at in found:
        day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=placed_at) + _YEAR).date()
        connection.execute(
            sa.text("UPDATE holds SET review_on = :day WHERE id = :id"), {"day": day.isoformat(), "id": hold_id}
        )


def downgrade() -> None:
    """Migrations go forward only; the way back is the backup."""
    raise RuntimeError("migrations go forward only")
