"""Tables of the audit log, and the triggers that keep them append-only whoever speaks to the database (S-87, S-88).

Triggers stop mistakes, not a database administrator: against that one stand the tree and the signed checkpoints (S-90).
``TRIGGERS`` is what a migration executes after creating the tables; ``create_all`` does it by itself.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    event,
)

from storage.records.schema.metadata import METADATA
from storage.records.schema.types import Id, Instant

# SQLite keeps a table in the order of its key only under its own INTEGER, which has 64 bits there.
Number = BigInteger().with_variant(Integer, "sqlite")

journal_entries = Table(
    "journal_entries",
    METADATA,
    # The entry's index; "index" is a word of SQL.
    Column("position", Number, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    Column("leaf", LargeBinary(32), nullable=False),
    Column("at", Instant, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("subject", String(255)),
    Column("principal_id", Id),
    CheckConstraint("position >= 0", name="position"),
    CheckConstraint("length(leaf) = 32", name="leaf"),
    CheckConstraint("length(body) BETWEEN 1 AND 65535", name="body"),
)
Index(None, journal_entries.c.kind, journal_entries.c.position)
Index(None, journal_entries.c.subject, journal_entries.c.position)
Index(None, journal_entries.c.principal_id, journal_entries.c.position)
Index(None, journal_entries.c.at)

journal_checkpoints = Table(
    "journal_checkpoints",
    METADATA,
    Column("size", Number, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", Text, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
    Column("exported_at", Instant),
    CheckConstraint("size >= 0", name="size"),
    CheckConstraint("length(root) = 32", name="root"),
    CheckConstraint("length(frontier) / 32 * 32 = length(frontier)", name="frontier"),
)

_REFUSE = (
    "CREATE OR REPLACE FUNCTION journal_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$"
)

TRIGGERS: dict[str, dict[str, tuple[str, ...]]] = {
    "journal_entries": {
        "sqlite": (
            (
                "CREATE TRIGGER journal_entries_next BEFORE INSERT ON journal_entries "
                "WHEN NEW.position <> (SELECT coalesce(max(position) + 1, 0) FROM journal_entries) "
                "BEGIN SELECT RAISE(ABORT, 'the journal has no gaps'); END"
            ),
            (
                "CREATE TRIGGER journal_entries_keep BEFORE UPDATE ON journal_entries "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            ),
            (
                "CREATE TRIGGER journal_entries_stay BEFORE DELETE ON journal_entries "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            ),
        ),
        "postgresql": (
            _REFUSE,
            (
                "CREATE OR REPLACE FUNCTION journal_next() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN IF NEW.position <> (SELECT coalesce(max(position) + 1, 0) FROM journal_entries) "
                "THEN RAISE EXCEPTION 'the journal has no gaps'; END IF; RETURN NEW; END $$"
            ),
            (
                "CREATE TRIGGER journal_entries_next BEFORE INSERT ON journal_entries "
                "FOR EACH ROW EXECUTE FUNCTION journal_next()"
            ),
            (
                "CREATE TRIGGER journal_entries_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_entries "
                "FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse()"
            ),
        ),
    },
    "journal_checkpoints": {
        "sqlite": (
            (
                "CREATE TRIGGER journal_checkpoints_keep "
                "BEFORE UPDATE OF size, root, note, frontier, at ON journal_checkpoints "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            ),
            (
                "CREATE TRIGGER journal_checkpoints_stay BEFORE DELETE ON journal_checkpoints "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            ),
        ),
        "postgresql": (
            _REFUSE,
            (
                "CREATE TRIGGER journal_checkpoints_keep "
                "BEFORE UPDATE OF size, root, note, frontier, at OR DELETE ON journal_checkpoints "
                "FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse()"
            ),
            (
                "CREATE TRIGGER journal_checkpoints_stay BEFORE TRUNCATE ON journal_checkpoints "
                "FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse()"
            ),
        ),
    },
}
"""By table and dialect, in order, each one statement without a ``%``: every driver takes them as they are."""


def _guard(table: Table, connection: Connection, **_: object) -> None:
    for statement in TRIGGERS[table.name].get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement)


for _table in (journal_entries, journal_checkpoints):
    event.listen(_table, "after_create", _guard)
