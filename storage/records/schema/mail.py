"""The table of mails that came in, so that one that comes again brings nothing twice."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, Table

from domain.mail import MailState
from storage.records.schema.metadata import METADATA
from storage.records.schema.types import Id, Instant, Word

mail_deliveries = Table(
    "mail_deliveries",
    METADATA,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("ticket_id", Id, ForeignKey("tickets.id"), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    # No foreign key: an attachment may be erased before its mail is forgotten.
    Column("attachment_id", Id),
    Column("state", Word(MailState), nullable=False),
    Column("kept_at", Instant, nullable=False),
    Column("relayed_at", Instant),
    CheckConstraint("length(digest) = 32", name="digest"),
    CheckConstraint("(part = 0) = (attachment_id IS NULL)", name="part"),
)
Index(None, mail_deliveries.c.ticket_id)
Index(None, mail_deliveries.c.kept_at)
