"""Tables of ticket systems: how far each was read, what it hinted at, its files, and what we write on its tickets."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from domain.source import SourceFileState
from storage.records.schema.core import partial
from storage.records.schema.metadata import METADATA
from storage.records.schema.types import Flag, Id, Instant, Word

Name = String(40)
"""A connector's, as the settings have it."""

connectors = Table(
    "connectors",
    METADATA,
    Column("name", Name, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("cursor", Text),
    Column("polled_at", Instant),
    Column("organisations_cursor", Text),
    Column("organisations_at", Instant),
    Column("next_at", Instant),
    Column("failures", Integer, nullable=False),
    Column("trouble", Text),
    Column("report", Text),
    Column("reported_at", Instant),
    Column("journal_index", BigInteger, nullable=False),
    Column("secret_number", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
)

hints = Table(
    "hints",
    METADATA,
    Column("connector", Name, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("received_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    CheckConstraint("attempts >= 0", name="attempts"),
)
Index(None, hints.c.connector, hints.c.next_at, hints.c.source_id)

deliveries = Table(
    "deliveries",
    METADATA,
    Column("connector", Name, primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("received_at", Instant, nullable=False),
    CheckConstraint("length(digest) = 32", name="digest"),
)
Index(None, deliveries.c.received_at)

source_files = Table(
    "source_files",
    METADATA,
    Column("connector", Name, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("source_ticket_id", Text, nullable=False),
    Column("ticket_id", Id, ForeignKey("tickets.id"), nullable=False),
    Column("part", Text),
    # No foreign key: a reception that came to nothing leaves no row, and the file is fetched again.
    Column("attachment_id", Id),
    Column("state", Word(SourceFileState), nullable=False),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    CheckConstraint("attempts >= 0", name="attempts"),
)
# Work that waits, and the report by state.
Index("ix_source_files_state", source_files.c.connector, source_files.c.state, source_files.c.next_at)
Index("ix_source_files_ticket_id", source_files.c.ticket_id, source_files.c.connector, source_files.c.source_id)
partial("ix_source_files_attachment", source_files.c.attachment_id, where="attachment_id IS NOT NULL")

source_notes = Table(
    "source_notes",
    METADATA,
    Column("ticket_id", Id, ForeignKey("tickets.id"), primary_key=True),
    Column("marker", String(64), primary_key=True),
    Column("connector", Name, nullable=False),
    Column("public", Flag, nullable=False),
    Column("sealed", LargeBinary),
    Column("note_id", Text),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("written_at", Instant),
    CheckConstraint("attempts >= 0", name="attempts"),
)
partial(
    "ix_source_notes_waiting",
    source_notes.c.connector,
    source_notes.c.next_at,
    source_notes.c.ticket_id,
    source_notes.c.marker,
    where="written_at IS NULL",
)
