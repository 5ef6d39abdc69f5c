"""Ticket systems: what they say of a ticket, how far each was read, and its files and notes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _tickets()
    _connectors()
    _files()
    _notes()


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    there = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=there, postgresql_where=there)


def _tickets() -> None:
    for column in (
        sa.Column("connector", sa.String(40)),
        sa.Column("source_id", sa.Text()),
        sa.Column("source_version", sa.BigInteger()),
        sa.Column("tags", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("standing", sa.String(32), nullable=False, server_default="present"),
        sa.Column("standing_since", sa.BigInteger()),
        sa.Column("merged_source_id", sa.Text()),
        sa.Column("merged_into", sa.String(36)),
    ):
        op.add_column("tickets", column)
    bound = "source_id IS NOT NULL"
    _partial("uq_tickets_connector_source_id", "tickets", ["connector", "source_id"], bound, unique=True)
    _partial(
        "ix_tickets_merged_source",
        "tickets",
        ["connector", "merged_source_id", "id"],
        "merged_source_id IS NOT NULL",
    )
    _partial("ix_tickets_merged_into", "tickets", ["merged_into", "id"], "merged_into IS NOT NULL")
    _partial(
        "ix_tickets_connector_facts_at",
        "tickets",
        ["connector", "facts_at", "id"],
        "source_id IS NOT NULL AND erased_at IS NULL",
    )


def _connectors() -> None:
    op.create_table(
        "connectors",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text()),
        sa.Column("polled_at", sa.BigInteger()),
        sa.Column("organisations_cursor", sa.Text()),
        sa.Column("organisations_at", sa.BigInteger()),
        sa.Column("next_at", sa.BigInteger()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.Text()),
        sa.Column("report", sa.Text()),
        sa.Column("reported_at", sa.BigInteger()),
        sa.Column("journal_index", sa.BigInteger(), nullable=False),
        sa.Column("secret_number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_connectors")),
    )
    op.create_table(
        "hints",
        sa.Column("connector", sa.String(40), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_hints_attempts")),
        sa.PrimaryKeyConstraint("connector", "source_id", name=op.f("pk_hints")),
    )
    op.create_index("ix_hints_connector_next_at_source_id", "hints", ["connector", "next_at", "source_id"])
    op.create_table(
        "deliveries",
        sa.Column("connector", sa.String(40), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_deliveries_digest")),
        sa.PrimaryKeyConstraint("connector", "digest", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_received_at", "deliveries", ["received_at"])


def _files() -> None:
    op.create_table(
        "source_files",
        sa.Column("connector", sa.String(40), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("source_ticket_id", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.String(36), nullable=False),
        sa.Column("part", sa.Text()),
        sa.Column("attachment_id", sa.String(36)),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_source_files_attempts")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_source_files_ticket_id")),
        sa.PrimaryKeyConstraint("connector", "source_id", name=op.f("pk_source_files")),
    )
    op.create_index("ix_source_files_state", "source_files", ["connector", "state", "next_at"])
    op.create_index("ix_source_files_ticket_id", "source_files", ["ticket_id", "connector", "source_id"])
    _partial("ix_source_files_attachment", "source_files", ["attachment_id"], "attachment_id IS NOT NULL")


def _notes() -> None:
    op.create_table(
        "source_notes",
        sa.Column("ticket_id", sa.String(36), nullable=False),
        sa.Column("marker", sa.String(64), nullable=False),
        sa.Column("connector", sa.String(40), nullable=False),
        sa.Column("public", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("note_id", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("written_at", sa.BigInteger()),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_source_notes_attempts")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_source_notes_ticket_id")),
        sa.PrimaryKeyConstraint("ticket_id", "marker", name=op.f("pk_source_notes")),
    )
    _partial(
        "ix_source_notes_waiting",
        "source_notes",
        ["connector", "next_at", "ticket_id", "marker"],
        "written_at IS NULL",
    )


def downgrade() -> None:
    """Migrations go forward only; the way back is the backup."""
    raise RuntimeError("migrations go forward only")
