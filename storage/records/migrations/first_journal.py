"""The journal's part of the first schema, with the triggers that keep it append-only; never changed again either."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

_ID = sa.String(36)
_INSTANT = sa.BigInteger()
_DIGEST = sa.LargeBinary(32)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_TRIGGERS = {
    "sqlite": (
        (
            "CREATE TRIGGER journal_entries_next BEFORE INSERT ON journal_entries WHEN NEW.position <> "
            "(SELECT coalesce(max(position) + 1, 0) FROM journal_entries) BEGIN SELECT RAISE(ABORT, 'the "
            "journal has no gaps'); END"
        ),
        (
            "CREATE TRIGGER journal_entries_keep BEFORE UPDATE ON journal_entries BEGIN SELECT RAISE(ABORT, "
            "'the journal is append-only'); END"
        ),
        (
            "CREATE TRIGGER journal_entries_stay BEFORE DELETE ON journal_entries BEGIN SELECT RAISE(ABORT, "
            "'the journal is append-only'); END"
        ),
        (
            "CREATE TRIGGER journal_checkpoints_keep BEFORE UPDATE OF size, root, note, frontier, at ON "
            "journal_checkpoints BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        ),
        (
            "CREATE TRIGGER journal_checkpoints_stay BEFORE DELETE ON journal_checkpoints BEGIN SELECT "
            "RAISE(ABORT, 'the journal is append-only'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE OR REPLACE FUNCTION journal_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
            "EXCEPTION 'the journal is append-only'; END $$"
        ),
        (
            "CREATE OR REPLACE FUNCTION journal_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF "
            "NEW.position <> (SELECT coalesce(max(position) + 1, 0) FROM journal_entries) THEN RAISE "
            "EXCEPTION 'the journal has no gaps'; END IF; RETURN NEW; END $$"
        ),
        (
            "CREATE TRIGGER journal_entries_next BEFORE INSERT ON journal_entries FOR EACH ROW EXECUTE "
            "FUNCTION journal_next()"
        ),
        (
            "CREATE TRIGGER journal_entries_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_entries FOR "
            "EACH STATEMENT EXECUTE FUNCTION journal_refuse()"
        ),
        (
            "CREATE TRIGGER journal_checkpoints_keep BEFORE UPDATE OF size, root, note, frontier, at OR "
            "DELETE ON journal_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse()"
        ),
        (
            "CREATE TRIGGER journal_checkpoints_stay BEFORE TRUNCATE ON journal_checkpoints FOR EACH "
            "STATEMENT EXECUTE FUNCTION journal_refuse()"
        ),
    ),
}


def create() -> None:
    """Tables, indexes, triggers."""
    op.create_table(
        "journal_entries",
        sa.Column("position", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", _DIGEST, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255)),
        sa.Column("principal_id", _ID),
        sa.CheckConstraint("length(body) BETWEEN 1 AND 65535", name=op.f("ck_journal_entries_body")),
        sa.CheckConstraint("length(leaf) = 32", name=op.f("ck_journal_entries_leaf")),
        sa.CheckConstraint("position >= 0", name=op.f("ck_journal_entries_position")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_journal_entries")),
    )
    op.create_index("ix_journal_entries_at", "journal_entries", ["at"])
    op.create_index("ix_journal_entries_kind_position", "journal_entries", ["kind", "position"])
    op.create_index("ix_journal_entries_principal_id_position", "journal_entries", ["principal_id", "position"])
    op.create_index("ix_journal_entries_subject_position", "journal_entries", ["subject", "position"])
    op.create_table(
        "journal_checkpoints",
        sa.Column("size", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("root", _DIGEST, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("exported_at", _INSTANT),
        sa.CheckConstraint(
            "length(frontier) / 32 * 32 = length(frontier)", name=op.f("ck_journal_checkpoints_frontier")
        ),
        sa.CheckConstraint("length(root) = 32", name=op.f("ck_journal_checkpoints_root")),
        sa.CheckConstraint("size >= 0", name=op.f("ck_journal_checkpoints_size")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_journal_checkpoints")),
    )
    for statement in _TRIGGERS.get(op.get_bind().dialect.name, ()):
        op.execute(statement)
